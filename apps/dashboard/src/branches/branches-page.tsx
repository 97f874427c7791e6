import type { BranchItem } from "@branchward/core/api";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useServer } from "../api/context.ts";
import { createColumns, DataTable, rowLink } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Choice, FilterBar, Pick, SearchField } from "../components/filters.tsx";
import { Name } from "../components/name.tsx";
import { Page, Section } from "../components/page.tsx";
import { RecordList } from "../components/record-list.tsx";
import { When } from "../components/when.tsx";
import { BranchState } from "./branch-state.tsx";

const route = getRouteApi("/branches");

const column = createColumns<BranchItem>();
const columns = column.columns([
  column.accessor("name", {
    header: "Branch",
    cell: ({ row: { original } }) => <BranchCell branch={original} />,
    meta: { className: "w-full max-w-0" },
  }),
  column.accessor("state", {
    header: "State",
    cell: ({ row }) => <BranchState branch={row.original} />,
    meta: { className: "min-w-28 sm:min-w-40 max-sm:pr-0" },
  }),
  column.accessor("head", {
    header: "Head",
    cell: ({ getValue }) => <span className="font-mono text-sm text-soft">{getValue()?.slice(0, 10) ?? ""}</span>,
    meta: { className: "min-w-28 max-md:hidden" },
  }),
  column.accessor("bornAt", {
    header: "Born",
    cell: ({ getValue }) => <When at={getValue()} />,
    meta: { className: "min-w-24 text-right text-soft max-sm:hidden" },
  }),
]);

const STATES = [
  { value: "active", show: "active" },
  { value: "closed", show: "closed" },
  { value: "deleted", show: "deleted" },
] as const;

/** Every life of every branch, by repository. */
export function BranchesPage() {
  const { queries } = useServer();
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(queries.branches(filters));
  const repositories = useInfiniteQuery(queries.repositories());
  const set = (change: Partial<typeof filters>, replace = false): void =>
    void navigate({ to: "/branches", search: { ...filters, ...change }, replace });
  return (
    <Page
      title="Branches"
      lead="One line for each life of a branch: a branch made again under an old name is another one."
    >
      <FilterBar>
        <SearchField label="Search branches" value={filters.q ?? ""} onChange={(q) => set({ q }, true)} />
        <Pick
          label="Repository"
          value={filters.repository}
          options={repositories.data?.pages.flatMap((page) => page.items.map(({ name }) => name)) ?? []}
          onChange={(repository) => set({ repository })}
        />
        <Choice label="State" options={STATES} value={filters.state} onChange={(state) => set({ state })} />
      </FilterBar>
      <RecordList query={query} empty={<NoBranches isFiltered={Object.values(filters).some(Boolean)} />}>
        {(branches) => <ByRepository branches={branches} />}
      </RecordList>
    </Page>
  );
}

/** Repositories in the order of their newest branch. */
function ByRepository({ branches }: { readonly branches: readonly BranchItem[] }) {
  const groups = Map.groupBy(branches, (branch) => branch.repository);
  return [...groups].map(([repository, items]) => (
    <Section key={repository} title={<bdi>{repository}</bdi>} aside={`${items.length} shown`}>
      <DataTable label={`Branches of ${repository}`} columns={columns} rows={items} />
    </Section>
  ));
}

function BranchCell({ branch }: { readonly branch: BranchItem }) {
  const previous = branch.previousNames.at(-1);
  return (
    <>
      <Link to="/branches/$id" params={{ id: branch.id }} data-row className={rowLink}>
        <Name className="font-medium">{branch.name}</Name>
      </Link>
      {(previous !== undefined || branch.refType !== "branch") && (
        <div className="truncate text-sm text-soft">
          {branch.refType === "branch" ? "" : branch.refType}
          {previous === undefined ? "" : ` was `}
          {previous !== undefined && <bdi className="font-mono text-[0.925em]">{previous}</bdi>}
        </div>
      )}
    </>
  );
}

function NoBranches({ isFiltered }: { readonly isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No branch fits these filters">
        <Link to="/branches" search={{}} className="text-accent underline underline-offset-4">
          Show every branch
        </Link>
      </Empty>
    );
  }
  return (
    <Empty title="No branch is known yet" command={`npx branchward hooks install --server --url ${location.origin}`}>
      Branches become known by what servers say of them: install the server's hooks, or point a webhook at{" "}
      <code className="font-mono">/hooks/&lt;source&gt;</code> and push.
    </Empty>
  );
}
