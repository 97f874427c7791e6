import type { DeliveryDetails } from "@branchward/core/api";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useServer } from "../api/context.ts";
import { CopyButton } from "../components/copy-button.tsx";
import { InlineName } from "../components/name.tsx";
import { Fact, Facts, Failure, Loading, Page, Section } from "../components/page.tsx";
import { When } from "../components/when.tsx";
import { Outcome } from "./outcome.tsx";
import { ReplayButton } from "./replay-button.tsx";

const route = getRouteApi("/deliveries/$id");

/** One request of a source: what it said, and what was made of it. */
export function DeliveryPage() {
  const { queries } = useServer();
  const { id } = route.useParams();
  const { data: delivery, error, refetch } = useQuery(queries.delivery(id));
  if (delivery === undefined) {
    return (
      <Page title="Delivery">
        {error === null ? <Loading /> : <Failure error={error} onRetry={() => void refetch()} />}
      </Page>
    );
  }
  return (
    <Page
      title={`${delivery.event} from ${delivery.source}`}
      lead={<bdi className="wrap-anywhere">{delivery.repository ?? "no repository"}</bdi>}
      actions={<ReplayButton delivery={delivery.id} />}
    >
      <Overview delivery={delivery} />
      <div className="mt-10">
        <Events delivery={delivery} />
        {delivery.replays.length > 0 && <Replays of={delivery.replays} />}
        <Request delivery={delivery} />
      </div>
    </Page>
  );
}

function Overview({ delivery }: { readonly delivery: DeliveryDetails }) {
  return (
    <Facts>
      <Fact name="Outcome">
        <Outcome of={delivery.outcome} />
        {delivery.note !== null && <span className="ml-2 text-soft">{delivery.note}</span>}
      </Fact>
      <Fact name="Received">
        <When at={delivery.receivedAt} />
      </Fact>
      {delivery.occurredAt !== null && (
        <Fact name="Occurred, by its own clock">
          <When at={delivery.occurredAt} />
        </Fact>
      )}
      {delivery.actor !== null && (
        <Fact name="Actor">
          <bdi>{delivery.actor}</bdi>
          {delivery.user === null ? (
            <span className="ml-2 text-soft">no user of the directory</span>
          ) : (
            delivery.user !== delivery.actor && (
              <span className="ml-2 text-soft">
                who is <bdi>{delivery.user}</bdi>
              </span>
            )
          )}
        </Fact>
      )}
      <Fact name="The source's id">
        <span className="font-mono text-sm">{delivery.deliveryId}</span>
      </Fact>
    </Facts>
  );
}

function Events({ delivery: { events, note } }: { readonly delivery: DeliveryDetails }) {
  return (
    <Section title="Branch events made of it">
      {events.length === 0 ? (
        <p className="border-t border-line py-4 text-soft">None{note === null ? "." : `: ${note}.`}</p>
      ) : (
        <ol className="border-t border-line text-sm">
          {events.map((event, index) => (
            <li
              key={`${event.replay ?? ""} ${index} ${event.name}`}
              className="flex flex-wrap items-baseline gap-x-4 border-b border-line py-2"
            >
              <span className="w-20 font-medium">{event.kind}</span>
              <EventBranch event={event} />
              {event.note !== null && <span className="text-warn">no effect: {event.note}</span>}
              {event.replay !== null && <span className="text-soft">by a replay</span>}
              <span className="ml-auto font-mono text-xs text-soft">
                {event.before?.slice(0, 10) ?? "nothing"} → {event.after?.slice(0, 10) ?? "nothing"}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}

function EventBranch({ event }: { readonly event: DeliveryDetails["events"][number] }) {
  const { name, previousName, incarnation } = event;
  const text = (
    <>
      {previousName !== null && (
        <>
          <InlineName>{previousName}</InlineName> →{" "}
        </>
      )}
      <InlineName>{name}</InlineName>
    </>
  );
  if (incarnation === null) return <span className="min-w-0">{text}</span>;
  return (
    <Link to="/branches/$id" params={{ id: incarnation }} className="min-w-0 text-accent underline underline-offset-4">
      {text}
    </Link>
  );
}

function Replays({ of }: { readonly of: DeliveryDetails["replays"] }) {
  return (
    <Section title="Replays">
      <ol className="border-t border-line text-sm">
        {of.map(({ id, at, by, outcome, note, scopes }) => (
          <li key={id} className="flex flex-wrap gap-x-4 border-b border-line py-2">
            <Outcome of={outcome} />
            <span>by {by}</span>
            <span className="text-soft">{note ?? `${scopes} ${scopes === 1 ? "scope" : "scopes"} to look at`}</span>
            <span className="ml-auto text-soft">
              <When at={at} />
            </span>
          </li>
        ))}
      </ol>
    </Section>
  );
}

const codeLook = "overflow-auto rounded-md border border-line bg-rail p-4 font-mono text-xs leading-5 whitespace-pre";

function Request({ delivery: { headers, body, bodyBytes } }: { readonly delivery: DeliveryDetails }) {
  return (
    <Section title="The request" aside={`${bodyBytes.toLocaleString("en")} bytes; secrets are left out`}>
      <dl className="mb-4 grid gap-x-6 border-t border-line text-sm sm:grid-cols-[max-content_minmax(0,1fr)]">
        {Object.entries(headers).map(([name, value]) => (
          <div key={name} className="grid grid-cols-subgrid border-b border-line py-1.5 sm:col-span-2">
            <dt className="text-soft">{name}</dt>
            <dd className="font-mono text-xs leading-5 wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
      {body === null ? (
        <p className="text-soft">The body is too large to show.</p>
      ) : (
        <div className="relative">
          <pre className={`${codeLook} max-h-[36rem]`} tabIndex={0} aria-label="Body">
            {body}
          </pre>
          <div className="absolute top-2 right-2">
            <CopyButton text={body} label="Copy the body" />
          </div>
        </div>
      )}
    </Section>
  );
}
