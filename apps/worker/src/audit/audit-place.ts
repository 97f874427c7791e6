/** How far a round of an audit is: hides how that is written into its one column. */

export interface AuditPlace {
  /** What the round reads there: all groups, then, where they are ours to keep, all accounts. */
  readonly of: "groups" | "accounts";
  /** Of them, read so far in the round. */
  readonly pages: number;
  /** Where the endpoint's next page begins, as its client told; undefined at the start. */
  readonly position: string | undefined;
}

const ACCOUNTS = "accounts:";

export function toPlace({ of, pages, position = "" }: AuditPlace): string {
  return `${of === "accounts" ? ACCOUNTS : ""}${pages}/${position}`;
}

/** What was written before pages were counted is a position alone. */
export function parsePlace(text: string | null): AuditPlace {
  const of = text?.startsWith(ACCOUNTS) === true ? "accounts" : "groups";
  const place = text?.slice(of === "accounts" ? ACCOUNTS.length : 0);
  const [, pages, position = ""] = /^(\d+)\/(.*)$/su.exec(place ?? "") ?? [];
  if (pages === undefined) return { of, pages: 0, position: place };
  return { of, pages: Number(pages), position: position === "" ? undefined : position };
}
