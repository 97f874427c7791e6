import type { EndpointItem } from "@branchward/core/api";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useServer } from "../api/context.ts";
import { Failure, Loading, Page } from "../components/page.tsx";
import { toDuration } from "../components/times.ts";
import { Verdict, VERDICTS } from "../components/verdict.tsx";
import { When } from "../components/when.tsx";
import { Capabilities } from "./capabilities.tsx";

/** Where access is enforced, and how far each place is from what policy says. */
export function EndpointsPage() {
  const { queries } = useServer();
  const { data, error, refetch } = useQuery(queries.endpoints());
  return (
    <Page title="Endpoints" lead="Every system that is kept in step with policy.">
      {data === undefined ? (
        error === null ? (
          <Loading />
        ) : (
          <Failure error={error} onRetry={() => void refetch()} />
        )
      ) : (
        <ul className="border-t border-line">
          {data.items.map((endpoint) => (
            <Endpoint key={endpoint.name} endpoint={endpoint} />
          ))}
        </ul>
      )}
    </Page>
  );
}

const STANDINGS = ["verified", "diverged", "held", "failed", "unverifiable", "pending"] as const;

function Endpoint({ endpoint }: { readonly endpoint: EndpointItem }) {
  const { name, type, url, ci, concurrency } = endpoint;
  return (
    <li className="grid gap-x-10 gap-y-4 border-b border-line py-6 lg:grid-cols-[16rem_minmax(0,1fr)]">
      <div className="min-w-0">
        <h2 className="text-lg font-semibold">{name}</h2>
        <p className="text-sm wrap-anywhere text-soft">{url ?? "the built-in directory of this process"}</p>
        <p className="mt-1 text-sm text-soft">
          {type === "builtin" ? "built in" : "SCIM"}, CI {ci === "required" ? "waits for it" : "is only told of it"},{" "}
          {concurrency} at a time
        </p>
      </div>
      <div className="min-w-0">
        <Gate endpoint={endpoint} />
        {endpoint.retirement?.groups === 0 ? null : <Standings endpoint={endpoint} />}
        <Latest endpoint={endpoint} />
        {type === "scim" && <Capabilities probe={endpoint.probe} />}
      </div>
    </li>
  );
}

/** Says why no calls are made, where none are. */
function Gate({ endpoint: { concurrency, gate, retirement } }: { readonly endpoint: EndpointItem }) {
  const { breaker, since, blockedUntil, nextTryAt, limit, lastFailure } = gate;
  if (retirement !== null) {
    return (
      <p role="status" className="mb-3">
        Retired by {retirement.by} <When at={retirement.at} />;{" "}
        {retirement.groups === 0 ? "no group of ours is left there." : `${retirement.groups} groups are left there.`}
      </p>
    );
  }
  if (breaker !== "closed" && since !== null) {
    return (
      <p role="status" className="mb-3 wrap-anywhere text-bad">
        Calls fail one after another since <When at={since} />; one is tried{" "}
        {nextTryAt === null ? "now and then" : <When at={nextTryAt} />}, and the first that is answered ends it.{" "}
        {lastFailure?.message}
      </p>
    );
  }
  if (blockedUntil !== null) {
    return (
      <p role="status" className="mb-3">
        It asked to be left alone; calls go on by themselves <When at={blockedUntil} />.
      </p>
    );
  }
  if (limit === null || limit >= concurrency) return null;
  return (
    <p className="mb-3 text-sm text-soft">
      It bears {limit} of {concurrency} calls at once for now.
    </p>
  );
}

function Standings({ endpoint: { name, scopes } }: { readonly endpoint: EndpointItem }) {
  const total = STANDINGS.reduce((sum, standing) => sum + scopes[standing], 0);
  const present = STANDINGS.filter((standing) => scopes[standing] > 0);
  if (total === 0) return <p className="text-soft">No branch is governed here yet.</p>;
  return (
    <>
      <div className="flex h-2 gap-0.5 overflow-hidden rounded-sm" aria-hidden>
        {present.map((standing) => (
          <span
            key={standing}
            className={`min-w-1 ${VERDICTS[standing].fill} ${standing === "pending" ? "opacity-40" : ""}`}
            style={{ flexGrow: scopes[standing] }}
          />
        ))}
      </div>
      <ul className="mt-2.5 flex flex-wrap gap-x-6 gap-y-1">
        {present.map((standing) => (
          <li key={standing} className="flex items-center gap-2">
            {standing === "pending" ? (
              <Verdict of={standing} />
            ) : (
              <Link
                to="/syncs"
                search={{ endpoint: name, verdict: standing }}
                className="inline-flex hover:text-accent"
              >
                <Verdict of={standing} />
              </Link>
            )}
            <span className="font-medium tabular-nums">{scopes[standing].toLocaleString("en")}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Latest({ endpoint: { lastSync, lastError, pendingSince, audit } }: { readonly endpoint: EndpointItem }) {
  return (
    <div className="mt-3 flex flex-col gap-1 text-sm text-soft">
      {lastSync !== null && (
        <p className="flex flex-wrap gap-x-2">
          Last sync
          <Link to="/syncs/$id" params={{ id: lastSync.id }} className="text-accent underline underline-offset-4">
            <When at={lastSync.finishedAt} />
          </Link>
          <span>{lastSync.verdict}</span>
        </p>
      )}
      {audit !== null && (
        <p className="flex flex-wrap gap-x-2">
          Last audit <When at={audit.startedAt} />
          <span>
            {audit.groups.toLocaleString("en")} groups, {audit.differing} found otherwise
            {audit.periodMs !== null && `, every ${toDuration(audit.periodMs)}`}
          </span>
        </p>
      )}
      {pendingSince !== null && (
        <p>
          The oldest that waits was asked for <When at={pendingSince} />
        </p>
      )}
      {lastError !== null && (
        <p className="wrap-anywhere">
          <span className={lastSync?.verdict === "failed" ? "text-bad" : ""}>Last error</span>{" "}
          <When at={lastError.at} />:{" "}
          <Link to="/syncs/$id" params={{ id: lastError.sync }} className="text-accent underline underline-offset-4">
            {lastError.message}
          </Link>
        </p>
      )}
    </div>
  );
}
