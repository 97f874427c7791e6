import type { SyncDetails } from "@branchward/core/api";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { RotateCw } from "lucide-react";
import { z } from "zod";
import { useServer } from "../api/context.ts";
import { Button } from "../components/button.tsx";
import { Choice, SearchField } from "../components/filters.tsx";
import { MemberCount } from "../components/member-count.tsx";
import { InlineName } from "../components/name.tsx";
import { Fact, Facts, Failure, Loading, Page, Section } from "../components/page.tsx";
import { toDuration } from "../components/times.ts";
import { useTell } from "../components/toasts.tsx";
import { Verdict } from "../components/verdict.tsx";
import { When } from "../components/when.tsx";
import { MemberDiff } from "./member-diff.tsx";
import { Timeline } from "./timeline.tsx";
import { Withheld } from "./withheld.tsx";

const route = getRouteApi("/syncs/$id");

/** One run: what it found, what it did, and where its time went. */
export function SyncPage() {
  const { queries } = useServer();
  const { id } = route.useParams();
  const { data: sync, error, refetch } = useQuery(queries.sync(id));
  if (sync === undefined) {
    return (
      <Page title="Sync">
        {error === null ? <Loading /> : <Failure error={error} onRetry={() => void refetch()} />}
      </Page>
    );
  }
  return (
    <Page
      title={`${sync.branch}: ${sync.verdict}`}
      heading={
        <Link to="/branches/$id" params={{ id: sync.incarnation }} className="hover:text-accent">
          <InlineName>{sync.branch}</InlineName>
        </Link>
      }
      lead={
        <>
          <bdi>{sync.repository}</bdi> at {sync.endpoint}
        </>
      }
      actions={<Recheck sync={sync} />}
    >
      <Overview sync={sync} />
      {sync.error !== null && (
        <p role="alert" className="mt-4 border-l-2 border-bad bg-bad-soft px-4 py-2 wrap-anywhere">
          {sync.error.message} <span className="font-mono text-xs text-soft">{sync.error.code}</span>
        </p>
      )}
      <Mismatches of={sync.mismatches} />
      <Withheld sync={sync} />
      <div className="mt-10">
        <Diff sync={sync} />
        <div id="time" className="mt-10 scroll-mt-6">
          <Section
            title="Where the time went"
            aside={`${toDuration(sync.timeline.totalMs)} after waiting ${toDuration(sync.timeline.queuedMs)}`}
          >
            <Timeline sync={sync} />
          </Section>
        </div>
      </div>
    </Page>
  );
}

function Overview({ sync }: { readonly sync: SyncDetails }) {
  return (
    <Facts>
      <Fact name="Verdict">
        <Verdict of={sync.verdict} />
      </Fact>
      <Fact name="Members">
        <MemberCount added={sync.added} removed={sync.removed} />
      </Fact>
      <Fact name="Reason">{sync.reason}</Fact>
      {sync.drift > 0 && <Fact name="Drift">{sync.drift}</Fact>}
      <Fact name="Attempt">{sync.attempt}</Fact>
      <Fact name="Took">
        <a href="#time" className="text-accent underline underline-offset-4">
          {toDuration(sync.timeline.totalMs)}
        </a>
      </Fact>
      <Fact name="Finished">
        <When at={sync.finishedAt} />
      </Fact>
      {sync.policyVersion !== null && (
        <Fact name="Policy version">
          <span className="font-mono text-sm" title={sync.policyVersion}>
            {sync.policyVersion.slice(0, 8)}
          </span>
        </Fact>
      )}
    </Facts>
  );
}

function Recheck({ sync: { repository, branch, refType } }: { readonly sync: SyncDetails }) {
  const { queries } = useServer();
  const tell = useTell();
  const recheck = useMutation({
    mutationFn: queries.recheck,
    onSuccess: ({ scopes }) => tell("Asked for another look", `${scopes} ${scopes === 1 ? "endpoint" : "endpoints"}`),
    onError: (error) => tell("Not asked", error.message),
  });
  return (
    <Button onClick={() => recheck.mutate({ repository, branch, refType })} disabled={recheck.isPending}>
      <RotateCw className="size-4" aria-hidden />
      Look again
    </Button>
  );
}

const mismatch = z.object({
  entitlement: z.string(),
  class: z.string(),
  missing: z.array(z.string()),
  extra: z.array(z.string()),
});

/** How the read-back differed; only a diverged run has some. */
function Mismatches({ of }: { readonly of: readonly unknown[] }) {
  const known = z.array(mismatch).safeParse(of);
  if (of.length === 0 || !known.success) return null;
  return (
    <ul className="mt-4 border-l-2 border-warn bg-warn-soft px-4 py-2">
      {known.data.map(({ entitlement, class: kind, missing, extra }) => (
        <li key={`${entitlement} ${kind}`}>
          <span className="font-medium">{entitlement}</span>: {kind}, {missing.length} missing, {extra.length} too many
        </li>
      ))}
    </ul>
  );
}

const SHOWS = [
  { value: "changes", show: "Changes" },
  { value: "all", show: "Everybody" },
] as const;

function Diff({ sync }: { readonly sync: SyncDetails }) {
  const view = route.useSearch();
  const navigate = route.useNavigate();
  const set = (change: Partial<typeof view>): void =>
    void navigate({
      to: "/syncs/$id",
      params: { id: sync.id },
      search: { ...view, ...change },
      replace: true,
      resetScroll: false,
    });
  const { all, who = "" } = view;
  return (
    <Section title="Desired and actual" aside="as the run found them">
      <div className="mb-3 flex flex-wrap gap-2">
        <Choice
          label="Members shown"
          options={SHOWS}
          value={all === true ? "all" : "changes"}
          onChange={(value) => set({ all: value === "all" ? true : undefined })}
        />
        <SearchField label="Search members" value={who} onChange={(text) => set({ who: text })} />
      </div>
      {sync.diff.length === 0 ? (
        <p className="border-t border-line py-6 text-soft">
          Policy governs nothing here and the endpoint holds nothing.
        </p>
      ) : (
        <MemberDiff diffs={sync.diff} isWhole={all === true} who={who} />
      )}
    </Section>
  );
}
