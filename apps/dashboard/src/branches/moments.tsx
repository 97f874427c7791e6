import type { GrantItem, HoldItem } from "@branchward/core/api";
import { InlineName } from "../components/name.tsx";
import { Section } from "../components/page.tsx";
import { When } from "../components/when.tsx";

/** What is given or suspended here for a moment: by whom, why, until when. Nothing where there is nothing. */
export function Moments({
  grants,
  holds,
}: {
  readonly grants: readonly GrantItem[];
  readonly holds: readonly HoldItem[];
}) {
  return (
    <>
      {holds.length > 0 && (
        <Section title="Repair is held" aside="revocations go on">
          <ul className="border-t border-line">
            {holds.map((hold) => (
              <HoldLine key={hold.id} hold={hold} />
            ))}
          </ul>
        </Section>
      )}
      {grants.length > 0 && (
        <Section title="Emergency grants">
          <ul className="border-t border-line">
            {grants.map((grant) => (
              <GrantLine key={grant.id} grant={grant} />
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

function HoldLine({ hold: { endpoint, madeBy, reason, until } }: { readonly hold: HoldItem }) {
  return (
    <li className="flex flex-wrap gap-x-4 border-b border-line py-2 text-sm">
      <span className="min-w-40 font-medium">{endpoint ?? "every endpoint"}</span>
      <span className="min-w-0 text-soft wrap-anywhere">
        by <bdi>{madeBy}</bdi>: {reason}
      </span>
      <span className="sm:ml-auto">
        ends <When at={until} />
      </span>
    </li>
  );
}

function GrantLine({ grant }: { readonly grant: GrantItem }) {
  const { user, userId, entitlement, requestedBy, reason } = grant;
  return (
    <li className="flex flex-wrap gap-x-4 border-b border-line py-2 text-sm">
      <InlineName className="min-w-40 font-medium">{user ?? userId}</InlineName>
      <span>{entitlement}</span>
      <span className="min-w-0 text-soft wrap-anywhere">
        asked by <bdi>{requestedBy}</bdi>: {reason}
      </span>
      <span className="sm:ml-auto">
        <GrantEnd grant={grant} />
      </span>
    </li>
  );
}

function GrantEnd({ grant: { state, decidedBy, expiresAt, endedBy } }: { readonly grant: GrantItem }) {
  if (state === "approved" && expiresAt !== null) {
    return (
      <>
        approved by <bdi>{decidedBy}</bdi>, ends <When at={expiresAt} />
      </>
    );
  }
  if (state === "requested") return <>waits for another to approve it</>;
  const by = state === "rejected" ? decidedBy : endedBy;
  return (
    <span className="text-soft">
      {state}
      {by !== null && (
        <>
          {" "}
          by <bdi>{by}</bdi>
        </>
      )}
    </span>
  );
}
