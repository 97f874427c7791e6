/** A page and the cursor of the next: the `seq` of its last row, null where the page is not full. */
export function toPage<Row extends { readonly seq: number }, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
): { items: Item[]; nextCursor: string | null } {
  const last = rows.at(-1);
  return {
    items: rows.map(toItem),
    nextCursor: last === undefined || rows.length < limit ? null : String(last.seq),
  };
}
