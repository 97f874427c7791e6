/** What a source may say about refs: rules that every normaliser shares. */

const revisionPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const maxNameBytes = 4096;

/** True for a full object id of a SHA-1 (and Mercurial) or SHA-256 repository, zero ids included. */
export function isRevision(value: unknown): value is string {
  return typeof value === "string" && revisionPattern.test(value);
}

/** The zero id, which says "no such revision" in every protocol, as null. */
export function toRevision(id: string): string | null {
  return /^0+$/.test(id) ? null : id;
}

/** Why a branch name cannot be kept exactly as it is; undefined where it can. */
export function findNameProblem(name: string): string | undefined {
  if (name === "") return "empty branch name";
  if (name.includes("\0")) return "branch name with NUL";
  if (!name.isWellFormed()) return "branch name is not valid Unicode";
  if (Buffer.byteLength(name) > maxNameBytes) return "branch name over 4096 bytes";
  return undefined;
}
