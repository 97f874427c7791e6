import type { Actor, RepositoryClaim } from "@branchward/core";

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The repository by its numeric id, which survives renames and transfers; null where the payload has none. */
export function findRepository({ repository }: Json): RepositoryClaim | null {
  if (!isRecord(repository)) return null;
  const { id, full_name: name } = repository;
  if (!Number.isSafeInteger(id) || !isName(name)) return null;
  return { nativeId: String(id), name, vcs: "git" };
}

/** The account that caused the event: its login, else its id. */
export function findActor({ sender }: Json): Actor | null {
  if (!isRecord(sender)) return null;
  const { login, id } = sender;
  if (isName(login)) return { key: login, email: null, trust: "claim" };
  return Number.isSafeInteger(id) ? { key: String(id), email: null, trust: "claim" } : null;
}

const MAX_NAME_LENGTH = 1024;

/** Text that can be kept as it is. */
function isName(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > MAX_NAME_LENGTH) return false;
  return !value.includes("\0") && value.isWellFormed();
}
