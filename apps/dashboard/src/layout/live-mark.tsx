import { useServer } from "../api/context.ts";
import { useStore } from "../api/store.ts";

/** Whether what is shown is what is so. */
export function LiveMark() {
  const { live } = useServer();
  const { kind } = useStore(live.state);
  const { text, dot } = {
    live: { text: "Live", dot: "bg-good" },
    connecting: { text: "Connecting", dot: "bg-idle" },
    away: { text: "Server away", dot: "bg-bad" },
  }[kind];
  return (
    <span className="inline-flex items-center gap-2 text-sm text-soft" data-live={kind}>
      <span className={`size-2 rounded-full ${dot}`} aria-hidden />
      {text}
    </span>
  );
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Over every page while the server is away. */
export function AwayNotice() {
  const { live } = useServer();
  const state = useStore(live.state);
  return (
    <div role="status">
      {state.kind === "away" && (
        <p className="border-b border-line bg-warn-soft px-4 py-2 text-sm sm:px-8">
          <strong className="font-semibold text-warn">The server is away.</strong> What you see is as it was at{" "}
          {clock.format(state.since)}; the page goes on by itself when the server is back.
        </p>
      )}
    </div>
  );
}
