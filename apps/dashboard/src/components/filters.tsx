/** Filters of a list; their values are in the address of the page. */
import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";
import { Search, X } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";

const TYPING_MS = 200;

export interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  /** Undefined for an empty field. */
  readonly onChange: (value: string | undefined) => void;
}

/** Free text; told when the typing pauses. `/` goes here. */
export function SearchField({ label, value, onChange }: SearchFieldProps) {
  const [text, setText] = useState(value);
  const [told, setTold] = useState(value);
  if (value !== told) {
    setTold(value);
    setText(value);
  }
  useEffect(() => {
    if (text === told) return;
    const timer = setTimeout(() => {
      setTold(text);
      onChange(text === "" ? undefined : text);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, told, onChange]);
  return (
    <div className="relative min-w-48 grow sm:max-w-72">
      <Search className="pointer-events-none absolute top-2 left-2.5 size-4 text-soft" aria-hidden />
      <input
        data-search
        type="search"
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        className={`${fieldLook} w-full pl-8 [&::-webkit-search-cancel-button]:hidden`}
      />
      {text !== "" && (
        <button
          type="button"
          aria-label="Clear the search"
          onClick={() => setText("")}
          className="absolute top-1.5 right-1.5 rounded-sm p-0.5 text-soft hover:text-ink"
        >
          <X className="size-4" aria-hidden />
        </button>
      )}
    </div>
  );
}

/** Of inputs and selects. */
export const fieldLook =
  "h-8 rounded-md border border-edge bg-raised px-2.5 text-sm text-ink placeholder:text-soft focus-visible:border-accent";

export interface ChoiceProps<Value extends string> {
  readonly label: string;
  readonly options: readonly { readonly value: Value; readonly show: ReactNode }[];
  readonly value: Value | undefined;
  readonly onChange: (value: Value | undefined) => void;
}

/** One of few, or none. */
export function Choice<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>) {
  return (
    <ToggleGroup
      aria-label={label}
      value={value === undefined ? [] : [value]}
      onValueChange={(values) => onChange(options.find((option) => option.value === values[0])?.value)}
      className="flex flex-wrap gap-1"
    >
      {options.map((option) => (
        <Toggle
          key={option.value}
          value={option.value}
          className="inline-flex h-8 cursor-pointer items-center gap-1.5 rounded-md border border-transparent px-2.5 text-sm text-soft hover:bg-hover hover:text-ink data-pressed:border-line data-pressed:bg-accent-soft data-pressed:text-ink"
        >
          {option.show}
        </Toggle>
      ))}
    </ToggleGroup>
  );
}

export interface PickProps {
  readonly label: string;
  readonly options: readonly string[];
  readonly value: string | undefined;
  readonly onChange: (value: string | undefined) => void;
}

/** One of many, or all. A value that is not offered is offered as well, since it may come from a link. */
export function Pick({ label, options, value, onChange }: PickProps) {
  const offered = value === undefined || options.includes(value) ? options : [value, ...options];
  return (
    <select
      aria-label={label}
      value={value ?? ""}
      onChange={({ currentTarget }) => onChange(currentTarget.value === "" ? undefined : currentTarget.value)}
      className={`${fieldLook} max-w-52 cursor-pointer truncate`}
    >
      <option value="">{label}: any</option>
      {offered.map((option) => (
        <option key={option} value={option}>
          {option.slice(0, 80)}
        </option>
      ))}
    </select>
  );
}

export function FilterBar({ children }: { readonly children: ReactNode }) {
  return (
    <div role="search" className="mb-4 flex flex-wrap items-center gap-x-2 gap-y-2">
      {children}
    </div>
  );
}
