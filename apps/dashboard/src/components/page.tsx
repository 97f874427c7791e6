/** The parts that every page is made of. */
import type { ReactNode } from "react";
import { useEffect } from "react";
import { ApiError } from "../api/send.ts";
import { Button } from "./button.tsx";

export interface PageProps {
  /** What the browser's tab says. */
  readonly title: string;
  readonly heading?: ReactNode;
  /** One line below the heading. */
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, heading = title, lead, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title.slice(0, 80)} · Branchward`;
  }, [title]);
  return (
    <div className="mx-auto w-full max-w-6xl px-4 pt-6 pb-20 sm:px-8 sm:pt-9">
      <header className="mb-6 flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0">
          <h1 className="text-xl leading-8 font-semibold tracking-tight wrap-anywhere [&_bdi]:font-medium">
            {heading}
          </h1>
          {lead !== undefined && <div className="mt-1 text-soft">{lead}</div>}
        </div>
        {actions !== undefined && <div className="flex flex-wrap gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export interface SectionProps {
  readonly title: ReactNode;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}

export function Section({ title, aside, children }: SectionProps) {
  return (
    <section className="mt-10 first:mt-0">
      <div className="mb-3 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 className="min-w-0 text-lg font-semibold wrap-anywhere">{title}</h2>
        {aside !== undefined && <div className="text-sm text-soft">{aside}</div>}
      </div>
      {children}
    </section>
  );
}

/** Pairs of a word and what it stands for, on one line where there is room. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="flex flex-wrap gap-x-8 gap-y-3 border-y border-line py-3">{children}</dl>;
}

export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-soft">{name}</dt>
      <dd className="wrap-anywhere">{children}</dd>
    </div>
  );
}

/** Said while the first answer is awaited; nothing flashes for an answer that comes at once. */
export function Loading() {
  return (
    <p className="animate-pulse py-10 text-soft [animation-delay:300ms]" role="status">
      Reading…
    </p>
  );
}

/** What stands where an answer should have been. */
export function Failure({ error, onRetry }: { readonly error: unknown; readonly onRetry: () => void }) {
  const isMissing = error instanceof ApiError && error.status === 404;
  return (
    <div role="alert" className="flex flex-wrap items-center gap-4 border-l-2 border-bad py-2 pl-4">
      <p className="min-w-0 wrap-anywhere">
        {error instanceof Error ? error.message : "Something went wrong."}
        {error instanceof ApiError && <span className="ml-2 font-mono text-xs text-soft">{error.code}</span>}
      </p>
      {!isMissing && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}
