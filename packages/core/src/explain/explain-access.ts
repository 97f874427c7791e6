import { evaluate, type Evaluation } from "../desired/evaluate.ts";
import { attributeOf, resolvePrincipal } from "../desired/resolve-principal.ts";
import type { AccessFacts, DirectoryUser, Exclusion, Reason } from "../desired/types.ts";
import { decidingVerb, isEnvironment, isGoverned, matchesBranch } from "../policy/match-rules.ts";
import type { Deny, Grant, PolicyRule } from "../policy/types.ts";
import { isRevocationCause } from "../plan/restrain-plan.ts";
import type { Entitlement, UserId } from "../words.ts";

/** One rule that was considered; rule, file and line are null where no rule but a state of things speaks. */
export interface AccessReason {
  readonly rule: string | null;
  readonly file: string | null;
  readonly line: number | null;
  /** The principal through which the rule reaches the user: `group:engineering`. */
  readonly group: string | null;
  /** Group names from that principal down to the user. */
  readonly path: readonly string[];
  /** When what the rule gives ends; null for never. */
  readonly until: Date | null;
  /** True for what settled the answer. */
  readonly decides: boolean;
  /**
   * True where the change to what policy gives is withheld: the removal by a guard (rule C1), the addition while a group
   * once bound is missing (rule B4).
   */
  readonly withheld?: boolean;
  readonly text: string;
}

export interface Explanation {
  readonly allowed: boolean;
  /** True when some rule names this very verb on the branch (rule B2). */
  readonly governed: boolean;
  readonly reasons: readonly AccessReason[];
}

/** The facts, and of whom and what they are asked. */
export interface AccessQuestion extends AccessFacts {
  /** Null for somebody whom the directory does not know. */
  readonly userId: UserId | null;
  readonly entitlement: Entitlement;
}

/** Whether the user may, and every rule of the branch that was considered, the deciding one marked. Pure. */
export function explainAccess(question: AccessQuestion): Explanation {
  const { userId, entitlement, ...facts } = question;
  const branch = { repository: facts.repository.name, name: facts.incarnation.names[0] };
  const governed = isGoverned(facts.policy, branch, entitlement);
  const user = userId === null ? undefined : facts.users.byId.get(userId);
  if (user?.active === false) return { allowed: false, governed, reasons: [state(`${user.userName} is deactivated`)] };
  const { allowed, reasons } = judgeNames(facts, { user, entitlement });
  return { allowed, governed, reasons };
}

function tellUngoverned(entitlement: Entitlement, allowed: boolean): string {
  if (isEnvironment(entitlement)) return `the branch has no ${entitlement}: no rule gives it one`;
  return `no rule governs ${entitlement} here: ungoverned verbs are ${allowed ? "allowed" : "denied"}`;
}

type Answer = Pick<Explanation, "allowed" | "reasons">;

function state(text: string): AccessReason {
  return { rule: null, file: null, line: null, group: null, path: [], until: null, decides: true, text };
}

interface Question {
  /** Undefined for somebody whom the directory does not know. */
  readonly user: DirectoryUser | undefined;
  readonly entitlement: Entitlement;
}

/** Under every name that counts while a rename is not verified, the answer must be yes (rule A5). */
function judgeNames(facts: AccessFacts, question: Question): Answer {
  const [name, ...formerNames] = facts.incarnation.names;
  const answer = judgeName(facts, name, question);
  if (!answer.allowed || facts.incarnation.state !== "active") return answer;
  const lost = new Set(answer.lostReferences);
  for (const former of formerNames) {
    const was = judgeName(facts, former, question);
    for (const reference of was.lostReferences) lost.add(reference);
    if (was.allowed) continue;
    const pending = { ...state(`until the rename from ${former} is verified, its rules count too`), decides: false };
    return { allowed: false, reasons: [...undecided(answer), pending, ...was.reasons] };
  }
  if (lost.size === 0 || answer.isHeld || answer.reasons.some(({ withheld }) => withheld)) return answer;
  return { allowed: false, reasons: [...undecided(answer), { ...state(tellLost([...lost])), withheld: true }] };
}

interface NameAnswer extends Answer {
  readonly lostReferences: readonly string[];
  /** True where nobody need be added for the answer: the user holds it by the ledger, or no group carries it. */
  readonly isHeld: boolean;
}

function judgeName(facts: AccessFacts, name: string, { user, entitlement }: Question): NameAnswer {
  const branch = { repository: facts.repository.name, name };
  const verb = decidingVerb(facts.policy, branch, entitlement);
  if ("ungoverned" in verb) {
    const allowed = verb.ungoverned === "allow";
    return { allowed, reasons: [state(tellUngoverned(entitlement, allowed))], lostReferences: [], isHeld: true };
  }
  const { governedBy } = verb;
  const followed =
    governedBy === entitlement ? [] : [{ ...state(`${entitlement} follows ${governedBy}`), decides: false }];
  const no = (text: string): NameAnswer => {
    return { allowed: false, reasons: [...followed, state(text)], lostReferences: [], isHeld: false };
  };
  if (user === undefined) return no("the directory has no such user");
  if (facts.incarnation.state !== "active") return no(`the branch is ${facts.incarnation.state}`);
  const evaluation = evaluate(facts, name);
  const { allowed, reasons } = judge(facts, evaluation, { user, verb: governedBy });
  const isHeld = facts.held?.get(governedBy)?.has(user.id) ?? false;
  return { allowed, reasons: [...followed, ...reasons], lostReferences: evaluation.lostReferences, isHeld };
}

function undecided({ reasons }: Answer): readonly AccessReason[] {
  return reasons.map((reason) => ({ ...reason, decides: false }));
}

/** Nobody is added while a group is missing, whichever rule would give it (rule B4). */
function tellLost(references: readonly string[]): string {
  const are = references.length === 1 ? "is" : "are";
  return `would be granted; withheld since ${references.join(", ")} ${are} missing, until bound again`;
}

interface Asked {
  readonly user: DirectoryUser;
  readonly verb: Entitlement;
}

function judge(facts: AccessFacts, evaluation: Evaluation, asked: Asked): Answer {
  const { user, verb } = asked;
  const holdings = evaluation.holders.get(verb)?.get(user.id) ?? [];
  const overruled = evaluation.overruled.get(verb)?.get(user.id) ?? [];
  const exclusions = evaluation.exclusions.filter((each) => each.userId === user.id && each.entitlement === verb);
  const against = exclusions.find(({ cause }) => cause === "deny" || cause === "exclusive" || cause === "ceiling");
  const deciding = holdings[0]?.reason ?? against;
  const considered = evaluation.rules.flatMap((rule) => [
    ...rule.grants
      .filter((grant) => grant.entitlement === verb)
      .map((grant) => tellGrant(grant, { asked, holdings, overruled, exclusions })),
    ...rule.deny
      .filter((deny) => deny.entitlement === verb)
      .map((deny) => tellDeny(facts, { evaluation, rule, deny }, asked)),
  ]);
  const clipped = exclusions
    .filter(({ cause }) => cause === "exclusive" || cause === "ceiling")
    .map((each) => told(each, clipTexts[each.cause]));
  const marked = [...considered, ...tellEmergencies(verb, { holdings, exclusions }), ...clipped].map((reason) => ({
    ...reason,
    decides: reason.rule === deciding?.rule,
  }));
  if (holdings.length === 0 && isKept(facts, { userId: user.id, verb, exclusions })) {
    const kept = { ...state("a guard withholds the removal until it is approved"), withheld: true };
    return { allowed: true, reasons: [...marked.map((reason) => ({ ...reason, decides: false })), kept] };
  }
  const last = deciding === undefined ? [state(`no rule grants ${verb} to ${user.userName}`)] : [];
  return { allowed: holdings.length > 0, reasons: [...marked, ...last] };
}

interface KeptQuestion {
  readonly userId: UserId;
  readonly verb: Entitlement;
  readonly exclusions: readonly Exclusion[];
}

/** A withheld removal stays in force unless there is by now a cause that no guard holds back (rule C1). */
function isKept({ withheld }: AccessFacts, { userId, verb, exclusions }: KeptQuestion): boolean {
  return (withheld?.get(verb)?.has(userId) ?? false) && !exclusions.some(({ cause }) => isRevocationCause(cause));
}

/** What stands in no policy has no place in a file. */
function tellEmergencies(
  verb: Entitlement,
  { holdings, exclusions }: Pick<Findings, "holdings" | "exclusions">,
): AccessReason[] {
  const held = holdings.flatMap(({ reason }) => (reason.kind === "emergency" ? [reason] : []));
  const texts = held.map((reason) => {
    const until = reason.until?.toISOString() ?? "";
    return told(reason, `is granted ${verb} for an emergency until ${until}, approved by ${reason.approvedBy ?? ""}`);
  });
  const over = exclusions
    .filter(({ rule, cause }) => rule.startsWith("emergency ") && cause === "expired")
    .map((each) => told(each, `was granted ${verb} for an emergency, which is over`));
  return [...texts, ...over].map((reason) => ({ ...reason, file: null, line: null }));
}

interface Findings {
  readonly asked: Asked;
  readonly holdings: readonly { readonly reason: Reason }[];
  /** What would be held but for a deny, a ceiling or what excludes it. */
  readonly overruled: readonly { readonly reason: Reason }[];
  readonly exclusions: readonly Exclusion[];
}

const clipTexts: Record<Exclusion["cause"], string> = {
  inactive: "would grant, but the user is deactivated",
  expired: "would grant, but has expired",
  untrusted: "would grant, but only for a checkout by an enrolled agent",
  exclusive: "is withheld: the user holds what excludes it",
  deny: "denies",
  ceiling: "is clipped by the bot's ceiling",
  rename: "is withheld until the rename is verified",
};

function tellGrant(grant: Grant, { asked: { user, verb }, holdings, overruled, exclusions }: Findings): AccessReason {
  const ofGrant = ({ reason }: { readonly reason: Reason }): boolean => reason.rule === grant.rule;
  const holding = holdings.find(ofGrant)?.reason;
  if (holding !== undefined) {
    const until = holding.until === null ? "" : ` until ${holding.until.toISOString()}`;
    const limited = grant.endpoints === null ? "" : ` at ${grant.endpoints.join(", ")}`;
    return told(holding, `grants ${verb} (${holding.kind})${until}${limited}`);
  }
  const loser = overruled.find(ofGrant)?.reason;
  if (loser !== undefined) return told(loser, `would grant ${verb} (${loser.kind})`);
  const exclusion = exclusions.find((each) => each.rule === grant.rule);
  if (exclusion !== undefined) return told(exclusion, clipTexts[exclusion.cause]);
  const { rule, file, line } = grant;
  return told(
    { rule, file, line, reference: null, path: [] },
    `grants ${verb}, but not to ${user.userName}${whyNot(grant)}`,
  );
}

function whyNot(grant: Grant): string {
  return grant.checkout === null ? "" : " or not without a checkout";
}

interface Considered {
  readonly evaluation: Evaluation;
  readonly rule: PolicyRule;
  readonly deny: Deny;
}

function tellDeny(facts: AccessFacts, { evaluation, rule, deny }: Considered, { user, verb }: Asked): AccessReason {
  const { rule: id, file, line } = deny;
  const reached = matchesBranch(rule, evaluation.branch, attributeOf(user))
    ? deny.to.flatMap((principal) => {
        const subject = resolvePrincipal(facts, principal).subjects.find((each) => each.user.id === user.id);
        return subject === undefined ? [] : [{ reference: principal.reference, path: subject.path }];
      })[0]
    : undefined;
  const through = reached ?? { reference: null, path: [] };
  return told(
    { rule: id, file, line, ...through },
    reached ? `denies ${verb}` : `denies ${verb}, but not to ${user.userName}`,
  );
}

interface Through {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly reference: string | null;
  readonly path: readonly string[];
  readonly until?: Date | null;
}

function told({ rule, file, line, reference, path, until }: Through, text: string): AccessReason {
  return { rule, file, line, group: reference, path, until: until ?? null, decides: false, text };
}
