import { type JsonObject, ownValue } from "@branchward/scim";

/** A text attribute of the core schema; empty where there is none. */
export function textOf(attributes: JsonObject, name: string): string {
  const value = ownValue(attributes, name);
  return typeof value === "string" ? value : "";
}
