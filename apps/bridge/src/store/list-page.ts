import {
  compareByAttribute,
  compareKeys,
  type ListQuery,
  matchesFilter,
  type ResourcePage,
  type StoredResource,
} from "@branchward/scim";
import type { HeldGroup, HeldUser, Snapshot } from "../state/snapshot.ts";
import { toDocument } from "./render.ts";

/** A page of resources held in memory, in a total order: by what is asked for, then by id. */
export function listPage<Held extends HeldUser | HeldGroup>(
  snapshot: Snapshot,
  { held, render }: { readonly held: Iterable<Held>; readonly render: (held: Held) => StoredResource },
  { filter, sort, startIndex, count }: ListQuery,
): ResourcePage {
  const sign = sort?.descending === true ? -1 : 1;
  const found = [...held]
    .map((each) => ({ each, document: toDocument(snapshot, each) }))
    .filter(({ document }) => filter === undefined || matchesFilter(filter, document))
    .toSorted((left, right) => {
      const order = sort === undefined ? 0 : sign * compareByAttribute(sort.target, left.document, right.document);
      return order || compareKeys(left.each.id, right.each.id);
    });
  const page = found.slice(startIndex - 1, startIndex - 1 + count);
  return { totalResults: found.length, resources: page.map(({ each }) => render(each)) };
}
