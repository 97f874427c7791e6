import type { DeliveryItem } from "@branchward/core/api";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useServer } from "../api/context.ts";
import { createColumns, DataTable, rowLink } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Choice, FilterBar, Pick, SearchField } from "../components/filters.tsx";
import { Page } from "../components/page.tsx";
import { RecordList } from "../components/record-list.tsx";
import { When } from "../components/when.tsx";
import { Outcome } from "./outcome.tsx";

const route = getRouteApi("/deliveries");

const column = createColumns<DeliveryItem>();
const columns = column.columns([
  column.accessor("event", {
    header: "Event",
    cell: ({ row: { original } }) => <EventCell delivery={original} />,
    meta: { className: "w-full max-w-0" },
  }),
  column.accessor("source", { header: "Source", meta: { className: "max-sm:hidden whitespace-nowrap" } }),
  column.accessor("actor", {
    header: "Actor",
    cell: ({ getValue }) => <bdi className="block max-w-40 truncate">{getValue()}</bdi>,
    meta: { className: "max-md:hidden" },
  }),
  column.accessor("outcome", {
    header: "Outcome",
    cell: ({ getValue }) => <Outcome of={getValue()} />,
    meta: { className: "max-sm:hidden" },
  }),
  column.accessor("receivedAt", {
    header: "Received",
    cell: ({ getValue }) => <When at={getValue()} />,
    meta: { className: "text-right text-soft" },
  }),
]);

const OUTCOMES = [
  { value: "accepted", show: "accepted" },
  { value: "ignored", show: "ignored" },
] as const;

/** What the sources sent. */
export function DeliveriesPage() {
  const { queries } = useServer();
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(queries.deliveries(filters));
  const repositories = useInfiniteQuery(queries.repositories());
  const set = (change: Partial<typeof filters>, replace = false): void =>
    void navigate({ to: "/deliveries", search: { ...filters, ...change }, replace });
  return (
    <Page title="Deliveries" lead="Every authenticated request of a source, whether it meant anything or not.">
      <FilterBar>
        <SearchField label="Search deliveries" value={filters.q ?? ""} onChange={(q) => set({ q }, true)} />
        <Pick
          label="Repository"
          value={filters.repository}
          options={repositories.data?.pages.flatMap((page) => page.items.map(({ name }) => name)) ?? []}
          onChange={(repository) => set({ repository })}
        />
        <Choice label="Outcome" options={OUTCOMES} value={filters.outcome} onChange={(outcome) => set({ outcome })} />
      </FilterBar>
      <RecordList query={query} empty={<NoDeliveries isFiltered={Object.values(filters).some(Boolean)} />}>
        {(deliveries) => <DataTable label="Deliveries" columns={columns} rows={deliveries} />}
      </RecordList>
    </Page>
  );
}

function EventCell({ delivery }: { readonly delivery: DeliveryItem }) {
  return (
    <>
      <Link to="/deliveries/$id" params={{ id: delivery.id }} data-row className={rowLink}>
        <span className="block truncate font-medium">{delivery.event}</span>
      </Link>
      <div className="truncate text-sm text-soft">
        <bdi>{delivery.repository ?? delivery.note ?? "no repository"}</bdi>
        <span className="sm:hidden">
          {" "}
          from {delivery.source}, {delivery.outcome}
        </span>
      </div>
    </>
  );
}

function NoDeliveries({ isFiltered }: { readonly isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No delivery fits these filters">
        <Link to="/deliveries" search={{}} className="text-accent underline underline-offset-4">
          Show every delivery
        </Link>
      </Empty>
    );
  }
  return (
    <Empty
      title="No source has sent anything yet"
      command={`npx branchward hooks install --server --url ${location.origin}`}
    >
      Point a webhook at <code className="font-mono">/hooks/&lt;source&gt;</code> of this address, or install the hooks
      in a repository that is pushed to.
    </Empty>
  );
}
