import type { BranchEventItem } from "@branchward/core/api";
import { Link } from "@tanstack/react-router";
import { InlineName } from "../components/name.tsx";
import { Section } from "../components/page.tsx";
import { When } from "../components/when.tsx";

/** What happened to the branch, newest first. */
export function BranchEvents({ events }: { readonly events: readonly BranchEventItem[] }) {
  return (
    <Section title="Events" aside="newest first">
      <ol className="border-t border-line text-sm">
        {events.map((event) => (
          <li
            key={`${event.delivery} ${event.kind} ${event.name} ${event.at}`}
            className="flex flex-wrap items-baseline gap-x-4 border-b border-line py-2"
          >
            <span className="w-20 font-medium">{event.kind}</span>
            <EventText event={event} />
            <span className="ml-auto inline-flex gap-x-4 text-soft">
              <When at={event.at} />
              <Link
                to="/deliveries/$id"
                params={{ id: event.delivery }}
                className="text-accent underline underline-offset-4"
              >
                delivery
              </Link>
            </span>
          </li>
        ))}
      </ol>
    </Section>
  );
}

function EventText({ event }: { readonly event: BranchEventItem }) {
  const { previousName, name, after, actor, user, source, note } = event;
  return (
    <span className="min-w-0 wrap-anywhere">
      {previousName !== null && (
        <>
          from <InlineName>{previousName}</InlineName> to <InlineName>{name}</InlineName>{" "}
        </>
      )}
      {after !== null && <span className="font-mono text-xs text-soft">{after.slice(0, 10)} </span>}
      <span className="text-soft">
        {actor !== null && (
          <>
            by <bdi>{actor}</bdi>
            {user !== null && user !== actor && (
              <>
                , who is <bdi>{user}</bdi>,
              </>
            )}{" "}
          </>
        )}
        through {source}
      </span>
      {note !== null && <span className="ml-2 text-warn">no effect: {note}</span>}
    </span>
  );
}
