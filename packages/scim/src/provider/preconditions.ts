import { ScimError } from "../error.ts";
import { toETag } from "../resource/render.ts";
import type { StoredResource } from "../store.ts";

type Headers = Readonly<Record<string, string | undefined>>;

/** Refuses a write when `If-Match` names other versions (RFC 7644 §3.14). @throws ScimError 412 versionMismatch */
export function requireMatch(headers: Headers, current: StoredResource): void {
  const condition = headers["if-match"];
  if (condition === undefined || names(condition, current)) return;
  throw new ScimError(412, `the resource has version ${toETag(current)}`, "versionMismatch");
}

/** Whether `If-None-Match` names the version, so that the client has it already. */
export function isUnchanged(headers: Headers, current: StoredResource): boolean {
  const condition = headers["if-none-match"];
  return condition !== undefined && names(condition, current);
}

/** Weak comparison: clients drop or keep `W/` as they please, and the version tells all that there is. */
function names(condition: string, current: StoredResource): boolean {
  const wanted = toETag(current).replace(/^W\//, "");
  return condition.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === wanted);
}
