/** Who was allowed what at a past moment: by the policy version then in force, and by what the ledger says was held. */
import { decidingVerb, isEnvironment, isGoverned, listMatchingRules, type BranchName } from "../policy/match-rules.ts";
import type { Deny, Grant, Policy } from "../policy/types.ts";
import type { Reason } from "../desired/types.ts";
import type { Entitlement } from "../words.ts";
import type { AccessReason } from "./explain-access.ts";

/** What the ledger has of the user at one endpoint at that moment. */
export interface PastHolding {
  readonly endpoint: string;
  readonly origin: "sync" | "adoption" | "drift";
  readonly reasons: readonly Reason[];
  readonly grantedAt: Date;
  /** By then; null where no read had shown it: an entry is made before the write. */
  readonly verifiedAt: Date | null;
}

/** What was withheld from the user, or of what the user lost, at one endpoint at that moment. */
export interface PastWithheld {
  readonly endpoint: string;
  /** A guard kept what policy gave no more (rule C1). */
  readonly isKept: boolean;
  /** By which rule the user would have been added, had no group been missing (rule B4); null where that was not so. */
  readonly notAdded: string | null;
}

export interface PastQuestion {
  /** In force then. */
  readonly policy: Policy;
  /** As the branch was called then. */
  readonly branch: BranchName;
  readonly entitlement: Entitlement;
  readonly userName: string;
  /** Null for somebody whom the directory never knew; `wasActive` undefined where nothing tells. */
  readonly user: { readonly wasActive: boolean | undefined } | null;
  /** Of the verb that decides (`decidingVerb`). */
  readonly holdings: readonly PastHolding[];
  readonly withheld: readonly PastWithheld[];
  readonly at: Date;
  /** Before it the ledger says nothing. */
  readonly ledgerStart: Date;
}

export interface PastAccess {
  /** Null where the record does not reach. */
  readonly allowed: boolean | null;
  readonly governed: boolean;
  readonly reasons: readonly AccessReason[];
}

/** The answer as it was, and what it rests on; unknown rather than guessed. Pure. */
export function explainPast(question: PastQuestion): PastAccess {
  const { policy, branch, entitlement } = question;
  const governed = isGoverned(policy, branch, entitlement);
  const verb = decidingVerb(policy, branch, entitlement);
  if (question.user?.wasActive === false) {
    return { allowed: false, governed, reasons: [state(`${question.userName} was deactivated, or not there`)] };
  }
  if ("ungoverned" in verb) {
    const allowed = verb.ungoverned === "allow";
    const text = isEnvironment(entitlement)
      ? `the branch had no ${entitlement}: no rule gave it one`
      : `no rule governed ${entitlement} there: ungoverned verbs were ${allowed ? "allowed" : "denied"}`;
    return { allowed, governed, reasons: [state(text)] };
  }
  const follows = verb.governedBy === entitlement ? [] : [told(`${entitlement} followed ${verb.governedBy}`)];
  const considered = [...follows, ...listConsidered(policy, branch, verb.governedBy)];
  const answer = judge(question, verb.governedBy);
  return { allowed: answer.allowed, governed, reasons: [...considered, ...answer.reasons] };
}

function told(text: string): AccessReason {
  return { rule: null, file: null, line: null, group: null, path: [], until: null, decides: false, text };
}

function state(text: string): AccessReason {
  return { ...told(text), decides: true };
}

function listConsidered(policy: Policy, branch: BranchName, verb: Entitlement): readonly AccessReason[] {
  return listMatchingRules(policy, branch).flatMap(({ grants, deny }) => [
    ...grants.filter(({ entitlement }) => entitlement === verb).map((grant) => considerGrant(grant)),
    ...deny.filter(({ entitlement }) => entitlement === verb).map((each) => consider(each, `denied ${verb} to`)),
  ]);
}

function considerGrant(grant: Grant): AccessReason {
  const kind = grant.checkout === null ? "" : " with a checkout";
  return { ...consider(grant, `granted ${grant.entitlement}${kind} to`), until: grant.until };
}

function consider({ rule, file, line, to }: Grant | Deny, what: string): AccessReason {
  const group = to.length === 1 ? (to[0]?.reference ?? null) : null;
  const names = to.map(({ reference }) => reference).join(", ");
  return { ...told(`${what} ${names}`), rule, file, line, group };
}

function judge(question: PastQuestion, verb: Entitlement): Pick<PastAccess, "allowed" | "reasons"> {
  const { holdings, withheld, userName, at, ledgerStart } = question;
  const given = holdings.filter(({ origin }) => origin !== "drift");
  const drift = holdings
    .filter(({ origin }) => origin === "drift")
    .map(({ endpoint }) => told(`held ${verb} at ${endpoint}, which nobody granted (drift)`));
  if (given.length > 0) {
    const kept = withheld.filter(({ endpoint, isKept }) => isKept && given.some((each) => each.endpoint === endpoint));
    const keptAt = new Set(kept.map(({ endpoint }) => endpoint));
    const counting = given.filter(({ endpoint }) => !keptAt.has(endpoint));
    const deciding = counting.find(({ verifiedAt }) => verifiedAt !== null) ?? counting[0];
    const guards = kept.map(({ endpoint }, index) => ({
      ...told(`policy gave it no more; a guard withheld the removal at ${endpoint}`),
      withheld: true,
      decides: deciding === undefined && index === 0,
    }));
    return { allowed: true, reasons: [...given.flatMap(tellHolding(verb, deciding)), ...guards, ...drift] };
  }
  if (at < ledgerStart) {
    const since = ledgerStart.toISOString();
    return { allowed: null, reasons: [state(`unknown: the ledger begins at ${since}`), ...drift] };
  }
  const notAdded = withheld.flatMap(({ endpoint, notAdded: why }) =>
    why === null ? [] : [{ ...state(`would have been granted at ${endpoint} by ${why}`), withheld: true }],
  );
  if (notAdded.length > 0) return { allowed: false, reasons: [...drift, ...notAdded] };
  const text =
    question.user === null
      ? `the directory knows no ${userName}, and never did`
      : `by the ledger ${userName} held ${verb} nowhere`;
  return { allowed: false, reasons: [...drift, state(text)] };
}

/** The first reason of the deciding holding decides, as it does now. */
function tellHolding(verb: Entitlement, deciding: PastHolding | undefined) {
  return (holding: PastHolding): readonly AccessReason[] => {
    const { endpoint, reasons, grantedAt, verifiedAt } = holding;
    return (reasons.length === 0 ? [null] : reasons).map((reason, position) => {
      const kind = reason === null ? "" : ` (${reason.kind})`;
      const what = `${verb}${kind} at ${endpoint} since ${grantedAt.toISOString()}`;
      const text = verifiedAt === null ? `was to get ${what}, which no read had shown` : `held ${what}`;
      const decides = holding === deciding && position === 0;
      if (reason === null) return { ...told(text), decides };
      const { rule, file, line, reference, path, until } = reason;
      // What stands in no policy has no place in a file.
      const place = reason.kind === "emergency" ? { file: null, line: null } : { file, line };
      return { rule, ...place, group: reference, path, until: toDate(until), decides, text };
    });
  };
}

/** The ledger keeps reasons as JSON. */
function toDate(until: Date | string | null): Date | null {
  return until === null ? null : new Date(until);
}
