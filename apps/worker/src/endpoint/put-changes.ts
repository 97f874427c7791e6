/** What becomes of a resource that is PUT whole, where there is no PATCH. Pure. */
import { isJsonObject, type JsonObject, ScimClientError, type ScimOperation } from "@branchward/scim";

/** True where an endpoint does not know the operation. */
export function isUnsupported(error: unknown): boolean {
  return error instanceof ScimClientError && (error.status === 405 || error.status === 501);
}

/** The resource after operations on whole attributes, of extensions too; without `meta`, which is the endpoint's own. */
export function toReplacement(resource: JsonObject, operations: readonly ScimOperation[]): JsonObject {
  const { meta: _, ...changed } = resource;
  return operations.reduce<JsonObject>((whole, { path = "", value }) => {
    const [, uri, part] = /^(urn:.+):([^:]+)$/u.exec(path) ?? [];
    if (uri === undefined || part === undefined) return { ...whole, [path]: value };
    const extension = whole[uri];
    return { ...whole, [uri]: { ...(isJsonObject(extension) ? extension : {}), [part]: value } };
  }, changed);
}
