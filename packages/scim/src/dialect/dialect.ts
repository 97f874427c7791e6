import { isJsonArray, isJsonObject, ownValueIgnoringCase, type JsonObject, type JsonValue } from "../json.ts";
import type { ScimRequest } from "../provider/message.ts";

/** Whose way of speaking SCIM a client has, where that makes a difference to the answers. */
export type Dialect = "okta" | "entra";

/**
 * The dialect that a request betrays by itself; undefined where it might be anybody's. Okta names itself and replaces
 * `active`, or `id` with `displayName`, without a path; Entra ID writes `Add`, `"False"`, `aadOptscim062020` and paths
 * as keys of a value (Microsoft, "Known issues and resolutions with SCIM 2.0 protocol compliance").
 */
export function recognizeDialect(
  request: Pick<ScimRequest<unknown>, "method" | "query" | "headers" | "body">,
): Dialect | undefined {
  const agent = request.headers["user-agent"] ?? "";
  if (/\bokta\b/i.test(agent)) return "okta";
  if (/\b(azure|entra|microsoft)\b/i.test(agent)) return "entra";
  if ([...request.query.keys()].some((name) => name.toLowerCase() === "aadoptscim062020")) return "entra";
  if (request.method !== "PATCH" || !isJsonObject(request.body)) return undefined;
  const operations = ownValueIgnoringCase(request.body, "Operations");
  // The first ones tell: a PATCH may have ten thousand.
  for (const operation of isJsonArray(operations) ? operations.slice(0, 10) : []) {
    const dialect = isJsonObject(operation) ? recognizeOperation(operation) : undefined;
    if (dialect !== undefined) return dialect;
  }
  return undefined;
}

function recognizeOperation(operation: JsonObject): Dialect | undefined {
  const op = ownValueIgnoringCase(operation, "op");
  if (op === "Add" || op === "Replace" || op === "Remove") return "entra";
  const value = ownValueIgnoringCase(operation, "value");
  if (value === "True" || value === "False") return "entra";
  if (ownValueIgnoringCase(operation, "path") !== undefined || !isJsonObject(value)) return undefined;
  const keys = Object.keys(value);
  if (keys.some((key) => isPath(key, value[key]))) return "entra";
  const isOkta = (keys.length === 1 && keys[0] === "active") || (keys.includes("id") && keys.includes("displayName"));
  return isOkta && op === "replace" ? "okta" : undefined;
}

/** `name.givenName` or `urn:…:User:department`, but not a whole extension. */
function isPath(key: string, value: JsonValue | undefined): boolean {
  return /^urn:/i.test(key) ? !isJsonObject(value) : key.includes(".");
}
