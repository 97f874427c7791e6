/** A list of records: columns are data, rows lead somewhere, new rows show themselves for a moment. */
import { createColumnHelper, metaHelper, tableFeatures, useTable } from "@tanstack/react-table";
import { useRef } from "react";

interface CellLook {
  /** Of the header and of every cell. */
  readonly className?: string;
}

const features = tableFeatures({ columnMeta: metaHelper<CellLook>() });

/** Makes the columns of a table of `Row`. */
export function createColumns<Row extends object>() {
  return createColumnHelper<typeof features, Row>();
}

type Columns<Row extends object> = ReturnType<ReturnType<typeof createColumns<Row>>["columns"]>;

export interface DataTableProps<Row extends { readonly id: string }> {
  /** What the table is, for screen readers. */
  readonly label: string;
  readonly columns: Columns<Row>;
  readonly rows: readonly Row[];
}

/** Put on the link of a row, so that the whole row follows it and `j` and `k` find it. */
export const rowLink =
  "outline-none after:absolute after:inset-0 focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent";

export function DataTable<Row extends { readonly id: string }>({ label, columns, rows }: DataTableProps<Row>) {
  const table = useTable({ features, columns, data: rows, getRowId: (row) => row.id });
  const isNew = useNewRows(rows);
  return (
    <table className="w-full border-collapse" aria-label={label}>
      <thead className="max-sm:sr-only">
        {table.getHeaderGroups().map((group) => (
          <tr key={group.id} className="border-b border-line text-left text-xs text-soft">
            {group.headers.map((header) => (
              <th
                key={header.id}
                scope="col"
                className={`px-3 py-2 font-medium whitespace-nowrap first:pl-0 last:pr-0 ${header.column.columnDef.meta?.className ?? ""}`}
              >
                <table.FlexRender header={header} />
              </th>
            ))}
          </tr>
        ))}
      </thead>
      <tbody>
        {table.getRowModel().rows.map((row) => (
          <tr
            key={row.id}
            className={`relative border-b border-line hover:bg-hover has-focus-visible:bg-hover ${isNew(row.id) ? "animate-arrive" : ""}`}
          >
            {row.getAllCells().map((cell) => (
              <td
                key={cell.id}
                className={`px-3 py-2 align-top first:pl-0 last:pr-0 ${cell.column.columnDef.meta?.className ?? ""}`}
              >
                <table.FlexRender cell={cell} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Tells rows that came above others already shown; not those of the first rendering, nor older ones read later. */
function useNewRows(rows: readonly { readonly id: string }[]): (id: string) => boolean {
  const shown = useRef<{ readonly known: Set<string>; readonly fresh: Set<string> }>({
    known: new Set(),
    fresh: new Set(),
  });
  const { known, fresh } = shown.current;
  const firstKnown = rows.findIndex((row) => known.has(row.id));
  for (const [index, row] of rows.entries()) {
    if (index < firstKnown && !known.has(row.id)) fresh.add(row.id);
    known.add(row.id);
  }
  return (id) => fresh.has(id);
}
