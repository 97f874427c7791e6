const listResponseSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/** A list to be put on the wire. */
export interface ResourceList {
  readonly totalResults: number | undefined;
  /** Undefined under cursor paging. */
  readonly startIndex: number | undefined;
  readonly resources: readonly unknown[];
  /** Of RFC 9865 §2: undefined on the last page. */
  readonly nextCursor?: string | undefined;
}

/** A list as RFC 7644 §3.4.2 puts it on the wire. */
export function toListResponse(list: ResourceList): Readonly<Record<string, unknown>> {
  const { totalResults, startIndex, resources, nextCursor } = list;
  return {
    schemas: [listResponseSchema],
    ...(totalResults === undefined ? {} : { totalResults }),
    ...(startIndex === undefined ? {} : { startIndex }),
    itemsPerPage: resources.length,
    ...(nextCursor === undefined ? {} : { nextCursor }),
    Resources: resources,
  };
}

/** A whole list on one page. */
export function toWholeList(resources: readonly unknown[]): Readonly<Record<string, unknown>> {
  return toListResponse({ totalResults: resources.length, startIndex: 1, resources });
}
