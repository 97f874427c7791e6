/** Which account of an endpoint a directory user is (rule C5), and how sure that is. */
import { foldName } from "../fold-name.ts";
import type { UserId } from "../words.ts";

/** A user of the endpoint that was found. */
export interface AccountHit {
  readonly id: string;
  readonly userName: string;
  readonly externalId: string | undefined;
}

export interface AccountQuestion {
  readonly user: { readonly id: UserId; readonly userName: string };
  /** What the endpoint answered for `externalId eq` our id. */
  readonly byExternalId: readonly AccountHit[];
  /** What it answered for `userName eq`. */
  readonly byUserName: readonly AccountHit[];
  /** Accounts that are or ever were linked to another user. */
  readonly taken: ReadonlySet<string>;
  /** Accounts that somebody said are not this user's. */
  readonly rejected: ReadonlySet<string>;
  /** A user of this name was deleted from the directory of late. */
  readonly isNameQuarantined: boolean;
  /** What a hit by name is worth: a candidate for approval, or the account. */
  readonly adopt: "review" | "auto";
}

export type AccountDecision =
  | { readonly kind: "linked" | "pending-approval" | "quarantined" | "rejected"; readonly accountId: string }
  /** Several could be meant, and none is guessed. */
  | { readonly kind: "ambiguous"; readonly accountIds: readonly string[] }
  | { readonly kind: "none" };

/** Pure. Hits that do not bear what was asked for are left out: some endpoints ignore a filter. */
export function decideAccount(question: AccountQuestion): AccountDecision {
  const { user, taken } = question;
  const ours = question.byExternalId.filter(({ externalId }) => externalId === user.id);
  const [linked, another] = ours;
  if (linked !== undefined) {
    const isClear = another === undefined && !taken.has(linked.id);
    return isClear ? { kind: "linked", accountId: linked.id } : toAmbiguous(ours);
  }
  const name = foldName(user.userName);
  const named = question.byUserName.filter(({ userName }) => foldName(userName) === name);
  const [candidate, namesake] = named;
  if (candidate === undefined) return { kind: "none" };
  if (namesake !== undefined) return toAmbiguous(named);
  const { id: accountId } = candidate;
  if (taken.has(accountId) || question.isNameQuarantined) return { kind: "quarantined", accountId };
  if (question.rejected.has(accountId)) return { kind: "rejected", accountId };
  return { kind: question.adopt === "auto" ? "linked" : "pending-approval", accountId };
}

function toAmbiguous(hits: readonly AccountHit[]): AccountDecision {
  return { kind: "ambiguous", accountIds: hits.map(({ id }) => id) };
}
