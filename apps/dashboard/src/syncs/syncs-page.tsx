import type { SyncItem } from "@branchward/core/api";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useServer } from "../api/context.ts";
import { createColumns, DataTable, rowLink } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Choice, FilterBar, Pick, SearchField } from "../components/filters.tsx";
import { MemberCount } from "../components/member-count.tsx";
import { Name } from "../components/name.tsx";
import { Page } from "../components/page.tsx";
import { RecordList } from "../components/record-list.tsx";
import { toDuration } from "../components/times.ts";
import { Verdict, VERDICTS } from "../components/verdict.tsx";
import { When } from "../components/when.tsx";
import { Pulse } from "./pulse.tsx";

const route = getRouteApi("/syncs");

const column = createColumns<SyncItem>();
const columns = column.columns([
  column.accessor("verdict", {
    header: "Verdict",
    cell: ({ getValue }) => <Verdict of={getValue()} />,
    meta: { className: "w-32 max-sm:hidden" },
  }),
  column.accessor("branch", {
    header: "Branch",
    cell: ({ row: { original } }) => <BranchCell sync={original} />,
    meta: { className: "w-full max-w-0 max-sm:pl-0" },
  }),
  column.accessor("endpoint", { header: "Endpoint", meta: { className: "max-lg:hidden whitespace-nowrap" } }),
  column.accessor("reason", {
    header: "Reason",
    cell: ({ row: { original } }) => <Reason sync={original} />,
    meta: { className: "max-md:hidden whitespace-nowrap" },
  }),
  column.display({
    id: "members",
    header: "Members",
    cell: ({ row: { original } }) => <MemberCount added={original.added} removed={original.removed} />,
    meta: { className: "max-sm:hidden whitespace-nowrap" },
  }),
  column.display({
    id: "took",
    header: "Took",
    cell: ({ row: { original } }) => <Took sync={original} />,
    meta: { className: "text-right tabular-nums max-lg:hidden" },
  }),
  column.accessor("finishedAt", {
    header: "When",
    cell: ({ getValue }) => <When at={getValue()} />,
    meta: { className: "text-right text-soft" },
  }),
]);

/** Every run there was, newest first. */
export function SyncsPage() {
  const { queries } = useServer();
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(queries.syncs(filters));
  const endpoints = useQuery(queries.endpoints());
  const repositories = useInfiniteQuery(queries.repositories());
  const set = (change: Partial<typeof filters>, replace = false): void =>
    void navigate({ to: "/syncs", search: { ...filters, ...change }, replace });
  return (
    <Page title="Syncs" lead="Every time a branch was compared with policy at an endpoint, and what came of it.">
      <FilterBar>
        <SearchField label="Search branches and reasons" value={filters.q ?? ""} onChange={(q) => set({ q }, true)} />
        <Pick
          label="Repository"
          value={filters.repository}
          options={repositories.data?.pages.flatMap((page) => page.items.map(({ name }) => name)) ?? []}
          onChange={(repository) => set({ repository })}
        />
        <Pick
          label="Endpoint"
          value={filters.endpoint}
          options={endpoints.data?.items.map(({ name }) => name) ?? []}
          onChange={(endpoint) => set({ endpoint })}
        />
        <Choice
          label="Verdict"
          value={filters.verdict}
          options={VERDICT_OPTIONS}
          onChange={(verdict) => set({ verdict })}
        />
      </FilterBar>
      <RecordList query={query} empty={<NoSyncs isFiltered={Object.values(filters).some(Boolean)} />}>
        {(syncs) => (
          <>
            <Pulse syncs={syncs} />
            <DataTable label="Syncs" columns={columns} rows={syncs} />
          </>
        )}
      </RecordList>
    </Page>
  );
}

const VERDICT_OPTIONS = (["verified", "diverged", "held", "failed", "unverifiable"] as const).map((value) => {
  const { icon: Icon, text } = VERDICTS[value];
  return {
    value,
    show: (
      <>
        <Icon className={`size-3.5 ${text}`} aria-hidden />
        {value}
      </>
    ),
  };
});

function BranchCell({ sync }: { readonly sync: SyncItem }) {
  return (
    <div className="min-w-0">
      <Link to="/syncs/$id" params={{ id: sync.id }} data-row className={rowLink}>
        <Name className="font-medium">{sync.branch}</Name>
      </Link>
      <div className="truncate text-sm text-soft">
        <bdi>{sync.repository}</bdi>
        <span className="lg:hidden"> at {sync.endpoint}</span>
      </div>
      <div className="mt-1 flex flex-wrap gap-x-4 text-sm sm:hidden">
        <Verdict of={sync.verdict} />
        <MemberCount added={sync.added} removed={sync.removed} />
      </div>
    </div>
  );
}

function Reason({ sync: { reason, attempt } }: { readonly sync: SyncItem }) {
  return (
    <>
      {reason}
      {attempt > 1 && <span className="block text-sm text-warn">attempt {attempt}</span>}
    </>
  );
}

function Took({ sync }: { readonly sync: SyncItem }) {
  const startedAt = Date.parse(sync.startedAt);
  const waitedMs = startedAt - Date.parse(sync.requestedAt);
  return (
    <span className="whitespace-nowrap" title={`after waiting ${toDuration(waitedMs)}`}>
      {toDuration(Date.parse(sync.finishedAt) - startedAt)}
    </span>
  );
}

function NoSyncs({ isFiltered }: { readonly isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No sync fits these filters">
        <Link to="/syncs" search={{}} className="text-accent underline underline-offset-4">
          Show every sync
        </Link>
      </Empty>
    );
  }
  return (
    <Empty
      title="Nothing has been synced yet"
      command={`npx branchward hooks install --client --url ${location.origin}`}
    >
      A sync runs when a branch is checked out, created, renamed or deleted. Install the hooks in a repository, then
      check out a branch.
    </Empty>
  );
}
