import type { ScopeItem } from "@branchward/core/api";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Choice, SearchField } from "../components/filters.tsx";
import { InlineName } from "../components/name.tsx";
import { Section } from "../components/page.tsx";
import { Verdict } from "../components/verdict.tsx";
import { VirtualList } from "../components/virtual-list.tsx";
import { When } from "../components/when.tsx";
import { type Holder, type Holding, toHolders } from "./to-holders.ts";

const ROW_PX = 37;

/** Who holds what at one endpoint, by which line of the policy; and whom a grant reaches in vain. */
export function Holders({ scopes }: { readonly scopes: readonly ScopeItem[] }) {
  const [endpoint, setEndpoint] = useState<string>();
  const scope = scopes.find((each) => each.endpoint === endpoint) ?? scopes[0];
  if (scope === undefined) {
    return (
      <Section title="Who holds what">
        <p className="border-t border-line py-6 text-soft">
          No rule of the policy names this branch: what is not governed is not Branchward's to say.
        </p>
      </Section>
    );
  }
  return (
    <Section title="Who holds what" aside={<ScopeState scope={scope} />}>
      {scopes.length > 1 && (
        <div className="mb-3">
          <Choice
            label="Endpoint"
            value={scope.endpoint}
            options={scopes.map((each) => ({ value: each.endpoint, show: each.endpoint }))}
            onChange={(value) => setEndpoint(value ?? scope.endpoint)}
          />
        </div>
      )}
      {scope.retired ? (
        <p className="border-t border-line py-6 text-soft">
          {scope.endpoint} is retired: nothing is given there, whatever the policy says.
        </p>
      ) : (
        <ScopeHolders key={scope.endpoint} scope={scope} />
      )}
    </Section>
  );
}

function ScopeState({ scope: { endpoint, verdict, retired, checkedAt, sync } }: { readonly scope: ScopeItem }) {
  return (
    <span className="inline-flex flex-wrap items-center gap-x-3">
      {retired && verdict === "verified" ? <span>retired</span> : <Verdict of={verdict} />}
      <span>at {endpoint}</span>
      {checkedAt !== null && <When at={checkedAt} />}
      {sync !== null && (
        <Link to="/syncs/$id" params={{ id: sync }} className="text-accent underline underline-offset-4">
          last sync
        </Link>
      )}
    </span>
  );
}

function ScopeHolders({ scope: { entitlements, exclusions } }: { readonly scope: ScopeItem }) {
  const [who, setWho] = useState("");
  const holders = useMemo(() => toHolders(entitlements, who), [entitlements, who]);
  const vacant = entitlements.filter(({ members }) => members.length === 0);
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <SearchField label="Search users" value={who} onChange={(text) => setWho(text ?? "")} />
        <p className="text-sm text-soft">
          {entitlements.map(({ entitlement, members }) => `${entitlement} ${members.length}`).join(" · ")}
        </p>
      </div>
      <VirtualList label="Holders" rows={holders} rowPx={ROW_PX}>
        {(holder) => <HolderLine holder={holder} />}
      </VirtualList>
      {vacant.length > 0 && who === "" && (
        <p className="py-3 text-sm text-soft">
          Nobody holds {vacant.map(({ entitlement }) => entitlement).join(", ")}, which the policy governs here.
        </p>
      )}
      {exclusions.length > 0 && <Exclusions exclusions={exclusions} />}
    </>
  );
}

function HolderLine({ holder: { userName, holdings } }: { readonly holder: Holder }) {
  return (
    <div className="grid gap-x-4 border-b border-line py-2 sm:grid-cols-[minmax(0,14rem)_minmax(0,1fr)]">
      <InlineName className="font-medium">{userName}</InlineName>
      <ul>
        {holdings.map((holding) => (
          <HoldingLine key={`${holding.reason.rule} ${holding.entitlements.join(" ")}`} holding={holding} />
        ))}
      </ul>
    </div>
  );
}

function HoldingLine({ holding: { entitlements, reason } }: { readonly holding: Holding }) {
  const { reference, path, kind, until, approvedBy } = reason;
  return (
    <li className="flex flex-wrap gap-x-3 text-sm text-soft">
      <span className="font-medium text-ink">{entitlements.join(", ")}</span>
      <span className="wrap-anywhere">
        <bdi>{[reference, ...path.slice(1)].join(" › ")}</bdi>
        {kind === "just-in-time" && " by checkout"}
        {kind === "emergency" && (
          <>
            {" "}
            for an emergency, approved by <bdi>{approvedBy}</bdi>
          </>
        )}
        {until !== null && (
          <>
            , ends <When at={until} />
          </>
        )}
      </span>
      <Place of={reason} />
    </li>
  );
}

/** What stands in no policy, as an emergency grant does, has no place in a file. */
function Place({ of: { file, line } }: { readonly of: { readonly file: string; readonly line: number } }) {
  if (file === "") return null;
  return (
    <code className="font-mono text-xs leading-5 wrap-anywhere sm:ml-auto">
      {file}:{line}
    </code>
  );
}

const CAUSES = {
  inactive: "the user is deactivated",
  expired: "the checkout, or the time it gave, is over",
  untrusted: "the checkout was only claimed",
  exclusive: "the user holds what excludes it",
  deny: "a deny takes it away",
  ceiling: "it is over the bot's ceiling",
  rename: "the rename is not verified yet",
  "group-lost": "nobody is added while a group of the policy is missing",
} as const;

const MAX_EXCLUSIONS = 200;

function Exclusions({ exclusions }: { readonly exclusions: ScopeItem["exclusions"] }) {
  return (
    <details className="mt-4">
      <summary className="cursor-pointer text-sm text-soft hover:text-ink">
        {exclusions.length} granted and kept out
      </summary>
      <ul className="mt-2 border-t border-line text-sm">
        {exclusions.slice(0, MAX_EXCLUSIONS).map(({ user, userName, entitlement, cause, rule, file, line }) => (
          <li
            key={`${user} ${entitlement} ${rule} ${cause}`}
            className="grid gap-x-4 border-b border-line py-2 sm:grid-cols-[minmax(0,14rem)_minmax(0,1fr)]"
          >
            <InlineName>{userName ?? user}</InlineName>
            <span className="flex flex-wrap gap-x-3 text-soft">
              <span className="text-ink">{entitlement}</span> {CAUSES[cause]}
              <Place of={{ file, line }} />
            </span>
          </li>
        ))}
      </ul>
      {exclusions.length > MAX_EXCLUSIONS && (
        <p className="py-2 text-sm text-soft">
          and {exclusions.length - MAX_EXCLUSIONS} more; the Access page answers for each.
        </p>
      )}
    </details>
  );
}
