/** Lists that grow at both ends: older pages on request, newer items as they are told of. */
import type { InfiniteData, QueryClient } from "@tanstack/react-query";

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

interface Identified {
  readonly id: string;
}

/**
 * Puts a newly read first page before what was known: items known by their id are replaced where they stand, others go to the front. Null when
 * the new page does not reach back to what was known, so that items between would be missing.
 */
export function mergeHead<Item extends Identified>(
  known: readonly Page<Item>[],
  head: Page<Item>,
): readonly Page<Item>[] | null {
  const ids = new Set(known.flatMap((page) => page.items.map((item) => item.id)));
  const fresh = new Map(head.items.map((item) => [item.id, item]));
  const added = head.items.filter((item) => !ids.has(item.id));
  const [first, ...rest] = known;
  if (first === undefined || (added.length === head.items.length && head.nextCursor !== null)) return null;
  const update = (page: Page<Item>): Page<Item> => ({
    ...page,
    items: page.items.map((item) => fresh.get(item.id) ?? item),
  });
  return [{ ...update(first), items: [...added, ...update(first).items] }, ...rest.map(update)];
}

/** Reads one page of a list; `cursor` null for the newest. */
export type ReadPage = (cursor: string | null, signal?: AbortSignal) => Promise<Page<Identified>>;

function isReadPage(value: unknown): value is ReadPage {
  return typeof value === "function";
}

/** Reads the newest page of every list of the noun that is on the page, and puts it before what is shown. Lists out of sight are read when shown. */
export async function mergeHeads(queryClient: QueryClient, noun: string): Promise<void> {
  const lists = queryClient.getQueryCache().findAll({ queryKey: [noun, "list"] });
  for (const list of lists) {
    const readPage = list.meta?.["readPage"];
    const { queryKey } = list;
    const known = queryClient.getQueryData<InfiniteData<Page<Identified>, string | null>>(queryKey);
    if (!list.isActive() || known === undefined || !isReadPage(readPage)) {
      await queryClient.invalidateQueries({ queryKey, refetchType: "none" });
      continue;
    }
    const head = await readPage(null).catch(() => undefined);
    // Not reached: the stream's own state says so, and everything is asked for when it is back.
    if (head === undefined) continue;
    const now = queryClient.getQueryData<InfiniteData<Page<Identified>, string | null>>(queryKey) ?? known;
    const pages = mergeHead(now.pages, head);
    if (pages === null) queryClient.setQueryData(queryKey, { pages: [head], pageParams: [null] });
    else queryClient.setQueryData(queryKey, { ...now, pages: [...pages] });
  }
}
