import type { JsonObject } from "@branchward/scim";
import type { FormerValues } from "./changes.ts";

const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/** A segment of a Git ref is a file's name, of 255 bytes at most; longer ones would make every change heavy. */
const MAX_CHARACTERS = 255;

/** The values that a pattern could have named (rule B5): short single strings of the user and of the enterprise extension. */
export function toFormerValues(attributes: JsonObject, names: readonly string[]): { readonly former?: FormerValues } {
  const extension = names.includes(ENTERPRISE) ? attributes[ENTERPRISE] : undefined;
  const inner = typeof extension === "object" && extension !== null ? Object.entries(extension) : [];
  const own = names.map((name) => [name, attributes[name]] as const);
  const values = [...inner, ...own].flatMap(([name, value]) =>
    typeof value === "string" && value.length <= MAX_CHARACTERS ? [[name, value] as const] : [],
  );
  return values.length === 0 ? {} : { former: Object.fromEntries(values) };
}
