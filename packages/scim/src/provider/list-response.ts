const listResponseSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/** A list as RFC 7644 §3.4.2 puts it on the wire. */
export function toListResponse(
  totalResults: number,
  startIndex: number,
  resources: readonly unknown[],
): Readonly<Record<string, unknown>> {
  return {
    schemas: [listResponseSchema],
    totalResults,
    startIndex,
    itemsPerPage: resources.length,
    Resources: resources,
  };
}
