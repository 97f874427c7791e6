/** What every list of records shows below its filters: rows, nothing yet, a failure, and a way to older ones. */
import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Page } from "../api/list.ts";
import { Button } from "./button.tsx";
import { Failure, Loading } from "./page.tsx";

export interface RecordListProps<Item> {
  readonly query: UseInfiniteQueryResult<InfiniteData<Page<Item>>>;
  readonly empty: ReactNode;
  readonly children: (items: readonly Item[]) => ReactNode;
}

export function RecordList<Item>({ query, empty, children }: RecordListProps<Item>) {
  const { data, error, isPending, hasNextPage, isFetchingNextPage } = query;
  if (isPending) return <Loading />;
  if (data === undefined) return <Failure error={error} onRetry={() => void query.refetch()} />;
  const items = data.pages.flatMap((page) => page.items);
  if (items.length === 0) return empty;
  return (
    <>
      {children(items)}
      {hasNextPage && (
        <div className="py-5 text-center">
          <Button onClick={() => void query.fetchNextPage()} disabled={isFetchingNextPage}>
            {isFetchingNextPage ? "Reading…" : "Show older"}
          </Button>
        </div>
      )}
    </>
  );
}
