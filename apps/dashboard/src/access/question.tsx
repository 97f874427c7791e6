import { useInfiniteQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useServer } from "../api/context.ts";
import { Button } from "../components/button.tsx";
import { fieldLook } from "../components/filters.tsx";

interface Asked {
  readonly user: string;
  readonly entitlement: string;
  readonly repository: string;
  readonly branch: string;
}

export interface QuestionProps {
  readonly asked: { readonly [Part in keyof Asked | "at"]?: string | undefined };
  /** `at` in RFC 3339; left out for now. */
  readonly onAsk: (question: Asked & { readonly at?: string }) => void;
}

const ENTITLEMENTS = ["read", "push", "create", "delete", "force", "merge", "deploy"];

/** The question, read as a sentence. */
export function Question({ asked, onAsk }: QuestionProps) {
  const { queries } = useServer();
  const repositories = useInfiniteQuery(queries.repositories());
  const names = repositories.data?.pages.flatMap((page) => page.items.map(({ name }) => name)) ?? [];

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const read = (part: keyof Asked | "at"): string => {
      const value = form.get(part);
      return typeof value === "string" ? value.trim() : "";
    };
    onAsk({
      user: read("user"),
      entitlement: read("entitlement"),
      repository: read("repository"),
      branch: read("branch"),
      ...(read("at") === "" ? {} : { at: new Date(read("at")).toISOString() }),
    });
  }

  return (
    <form onSubmit={submit} className="grid items-end gap-3 sm:grid-cols-2 lg:grid-cols-[1fr_9rem_1fr_1fr_13rem_auto]">
      <Part name="user" label="May" placeholder="alice" value={asked.user} isSearch />
      <Part name="entitlement" label="do" placeholder="push" value={asked.entitlement} options={ENTITLEMENTS} />
      <Part name="branch" label="on the branch" placeholder="release/1.0" value={asked.branch} />
      <Part
        name="repository"
        label="of the repository"
        placeholder="acme/web"
        value={asked.repository}
        options={names}
      />
      <label className="flex min-w-0 flex-col gap-1">
        <span className="text-sm text-soft">at (left empty: now)</span>
        <input
          name="at"
          type="datetime-local"
          step={1}
          defaultValue={toLocal(asked.at)}
          className={`${fieldLook} h-9 w-full`}
        />
      </label>
      <Button type="submit" look="primary" className="h-9 px-5">
        Ask
      </Button>
    </form>
  );
}

/** As the field wants it: the time of this machine, without a zone. */
function toLocal(at: string | undefined): string {
  const time = at === undefined ? Number.NaN : Date.parse(at);
  if (Number.isNaN(time)) return "";
  return new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

interface PartProps {
  readonly name: keyof Asked;
  readonly label: string;
  readonly placeholder: string;
  readonly value: string | undefined;
  readonly options?: readonly string[];
  readonly isSearch?: boolean;
}

function Part({ name, label, placeholder, value = "", options, isSearch = false }: PartProps) {
  const list = `${name}-known`;
  return (
    <label className="flex min-w-0 flex-col gap-1">
      <span className="text-sm text-soft">{label}</span>
      <input
        name={name}
        required
        defaultValue={value}
        placeholder={placeholder}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        {...(isSearch ? { "data-search": true } : {})}
        {...(options === undefined ? {} : { list })}
        className={`${fieldLook} h-9 w-full font-mono`}
      />
      {options !== undefined && (
        <datalist id={list}>
          {options.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </label>
  );
}
