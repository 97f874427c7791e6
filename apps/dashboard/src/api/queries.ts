/** What the pages ask the api for. The first part of every key is the noun that live events speak of. */
import {
  access,
  approveAnswer,
  branchDetails,
  branchItem,
  deliveryDetails,
  deliveryItem,
  endpointList,
  findingItem,
  page,
  recheckAnswer,
  replayAnswer,
  repositoryItem,
  syncDetails,
  syncItem,
} from "@branchward/core/api";
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { z } from "zod";
import type { Api } from "./client.ts";
import type { Page } from "./list.ts";

/** Filters as they stand in the address of a list page. */
export type Filters = Readonly<Record<string, string | undefined>>;

interface ListOptions<Item extends z.ZodType<{ readonly id: string }>> {
  readonly noun: "syncs" | "branches" | "deliveries" | "repositories" | "findings";
  readonly item: Item;
  readonly filters: Filters;
}

export function createQueries(api: Api) {
  function listQuery<Item extends z.ZodType<{ readonly id: string }>>({ noun, item, filters }: ListOptions<Item>) {
    const schema = page(item);
    const readPage = (cursor: string | null, signal?: AbortSignal): Promise<Page<z.output<Item>>> =>
      api.request(schema, `/v1/${noun}`, {
        query: { ...filters, ...(cursor === null ? {} : { cursor }) },
        ...(signal === undefined ? {} : { signal }),
      });
    return infiniteQueryOptions({
      queryKey: [noun, "list", filters],
      queryFn: ({ pageParam, signal }) => readPage(pageParam, signal),
      initialPageParam: null as string | null,
      getNextPageParam: ({ nextCursor }) => nextCursor,
      placeholderData: keepPreviousData,
      meta: { readPage },
    });
  }

  return {
    syncs: (filters: Filters) => listQuery({ noun: "syncs", item: syncItem, filters }),
    branches: (filters: Filters) => listQuery({ noun: "branches", item: branchItem, filters }),
    deliveries: (filters: Filters) => listQuery({ noun: "deliveries", item: deliveryItem, filters }),
    repositories: () => listQuery({ noun: "repositories", item: repositoryItem, filters: { limit: "200" } }),
    findings: () => listQuery({ noun: "findings", item: findingItem, filters: {} }),
    sync: (id: string) =>
      queryOptions({
        queryKey: ["syncs", "one", id],
        queryFn: ({ signal }) => api.request(syncDetails, `/v1/syncs/${id}`, { signal }),
        // A run is over when it is recorded.
        staleTime: Number.POSITIVE_INFINITY,
      }),
    branch: (id: string) =>
      queryOptions({
        queryKey: ["branches", "one", id],
        queryFn: ({ signal }) => api.request(branchDetails, `/v1/branches/${id}`, { signal }),
      }),
    delivery: (id: string) =>
      queryOptions({
        queryKey: ["deliveries", "one", id],
        queryFn: ({ signal }) => api.request(deliveryDetails, `/v1/deliveries/${id}`, { signal }),
      }),
    endpoints: () =>
      queryOptions({
        queryKey: ["endpoints", "all"],
        queryFn: ({ signal }) => api.request(endpointList, "/v1/endpoints", { signal }),
      }),
    access: (question: Filters) =>
      queryOptions({
        queryKey: ["access", question],
        queryFn: ({ signal }) => api.request(access, "/v1/access", { query: question, signal }),
        retry: false,
      }),
    ...createActions(api),
  };
}

/** What changes something at the server. */
function createActions(api: Api) {
  return {
    /** `replay` names the replay, so that a request sent twice is one. */
    replay: ({ delivery, replay }: { readonly delivery: string; readonly replay: string }) =>
      api.request(replayAnswer, `/v1/deliveries/${delivery}/replay`, { method: "POST", body: { id: replay } }),
    approve: ({ sync, digest }: { readonly sync: string; readonly digest: string }) =>
      api.request(approveAnswer, `/v1/syncs/${sync}/approve`, { method: "POST", body: { digest } }),
    recheck: (body: { readonly repository: string; readonly branch: string; readonly refType: string }) =>
      api.request(recheckAnswer, "/v1/syncs", { method: "POST", body }),
  };
}

export type Queries = ReturnType<typeof createQueries>;
