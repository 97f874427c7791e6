import type { ReactNode } from "react";
import { CopyButton } from "./copy-button.tsx";

export interface EmptyProps {
  readonly title: string;
  readonly children?: ReactNode;
  /** What to run next. */
  readonly command?: string;
}

/** What a page says when it has nothing to show: why, and what to do next. */
export function Empty({ title, children, command }: EmptyProps) {
  return (
    <div className="border-t border-line py-12">
      <p className="text-lg font-medium">{title}</p>
      {children !== undefined && <div className="mt-1 max-w-prose text-soft">{children}</div>}
      {command !== undefined && (
        <div className="mt-4 flex w-fit max-w-full items-center gap-1 rounded-md border border-line bg-raised py-1 pr-1 pl-3">
          <code className="min-w-0 font-mono text-sm wrap-anywhere">{command}</code>
          <CopyButton text={command} label="Copy the command" />
        </div>
      )}
    </div>
  );
}
