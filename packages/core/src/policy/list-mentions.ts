/** Which references of the policy decide about a scope, as keys that a change in the directory is looked up by. */
import { foldName } from "../fold-name.ts";
import { isGrantedAt, listMatchingRules } from "./match-rules.ts";
import type { Policy, PolicyRule, Principal } from "./types.ts";

/**
 * How a reference counts: by a standing `grant`, by a `checkout` grant (which reaches only who stands on the branch), or
 * by a `deny` (which concerns only whom a grant reaches as well).
 */
export type MentionKind = "grant" | "checkout" | "deny";

export interface MentioningScope {
  readonly repository: string;
  /** The branch's name, and former ones that still narrow it (rule A5). */
  readonly names: readonly string[];
  readonly endpoint: string;
}

/** The key of a reference, as `toReferenceKey` makes it, in the given capacity. */
export function toMention(kind: MentionKind, referenceKey: string): string {
  return `${kind} ${referenceKey}`;
}

/** A group's reference as written; a user's by the folded name, whether policy calls it a user or a bot. */
export function toReferenceKey(principal: Principal): string {
  return principal.kind === "group" ? principal.reference : toUserKey(principal.userName);
}

/** The key under which policy names a user. */
export function toUserKey(userName: string): string {
  return `user:${foldName(userName)}`;
}

/** True for a rule whose patterns hold `${user.…}`: which branches it is about differs from user to user. */
export function dependsOnUser({ repositories, branches }: PolicyRule): boolean {
  return [...repositories, ...branches].some((pattern) => pattern.attributes.length > 0);
}

/** What decides about the scope, sorted; without rules that depend on the user. */
export function listMentions(policy: Policy, { repository, names, endpoint }: MentioningScope): readonly string[] {
  const rules = new Set(names.flatMap((name) => listMatchingRules(policy, { repository, name })));
  // An exclusive entitlement is withheld here for what a grant gives at another endpoint (rule B3).
  const isExclusive = rules.values().some((rule) => rule.exclusive !== null);
  const mentions = [...rules]
    .filter((rule) => !dependsOnUser(rule))
    .flatMap((rule) => [
      ...rule.grants
        .filter((grant) => isExclusive || isGrantedAt(grant, endpoint))
        .flatMap((grant) => toMentions(grant.checkout === null ? "grant" : "checkout", grant.to)),
      ...rule.deny.flatMap((deny) => toMentions("deny", deny.to)),
    ]);
  return [...new Set(mentions)].toSorted();
}

function toMentions(kind: MentionKind, principals: readonly Principal[]): readonly string[] {
  return principals.map((principal) => toMention(kind, toReferenceKey(principal)));
}

/** The literal text with which every name begins that some of a rule's branch patterns match. */
export function literalBeginnings({ branches }: Pick<PolicyRule, "branches">): readonly string[] {
  return branches.map(({ segments }) => {
    const beginning: string[] = [];
    for (const [index, segment] of segments.entries()) {
      if (segment === null) break;
      if (index > 0) beginning.push("/");
      const literal = segment.findIndex((atom) => atom.kind !== "char");
      const atoms = literal === -1 ? segment : segment.slice(0, literal);
      beginning.push(...atoms.map((atom) => (atom.kind === "char" ? atom.char : "")));
      if (literal !== -1) break;
    }
    return beginning.join("");
  });
}
