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

type Given<Query> = { [Key in keyof Query]?: Exclude<Query[Key], undefined> };

/** A list's query as the filter of its rows: what was left out is left out, and the cursor is the row before. */
export function toFilter<Query extends { readonly limit: number; readonly cursor?: string | undefined }>({
  limit,
  cursor,
  ...filter
}: Query): Given<Omit<Query, "limit" | "cursor">> & { readonly limit: number; readonly before?: number } {
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
  return {
    ...(given as Given<Omit<Query, "limit" | "cursor">>),
    limit,
    ...(cursor === undefined ? {} : { before: Number(cursor) }),
  };
}

/** A moment of a query. */
export function toDate(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
