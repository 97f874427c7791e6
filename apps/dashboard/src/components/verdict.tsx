import { CircleCheck, CircleDashed, CircleHelp, CirclePause, CircleX, GitCompareArrows } from "lucide-react";

/** What a scope stands at: a verdict, or that there is none yet. */
export type Standing = "verified" | "diverged" | "unverifiable" | "held" | "failed" | "pending";

/** Every verdict in the order in which filters offer them, with its shape, its colour and its meaning. */
export const VERDICTS = {
  verified: { icon: CircleCheck, text: "text-good", fill: "bg-good", meaning: "read back and found as policy says" },
  diverged: { icon: GitCompareArrows, text: "text-warn", fill: "bg-warn", meaning: "read back and found different" },
  held: { icon: CirclePause, text: "text-warn", fill: "bg-warn", meaning: "a guard withholds a removal" },
  failed: { icon: CircleX, text: "text-bad", fill: "bg-bad", meaning: "the endpoint could not be brought there" },
  unverifiable: { icon: CircleHelp, text: "text-idle", fill: "bg-idle", meaning: "written, and cannot be read back" },
  pending: { icon: CircleDashed, text: "text-idle", fill: "bg-idle", meaning: "asked for and not looked at yet" },
} as const;

/** A verdict by shape, colour and word. */
export function Verdict({ of }: { readonly of: Standing }) {
  const { icon: Icon, text, meaning } = VERDICTS[of];
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap" title={meaning}>
      <Icon className={`size-4 shrink-0 ${text}`} aria-hidden />
      {of}
    </span>
  );
}
