/**
 * Who holds what on one branch under one name: grants → exclusive → deny → bot ceilings (rule B3). Desired and explain
 * both stand on this, so that they cannot disagree.
 */
import { listMatchingRules, matchesBranch, type BranchName } from "../policy/match-rules.ts";
import type { Bot, DailyHours, Grant, Place, PolicyRule, Principal } from "../policy/types.ts";
import type { Entitlement, UserId } from "../words.ts";
import { attributeOf, findUserByName, resolvePrincipal, type Subject } from "./resolve-principal.ts";
import type { AccessFacts, DirectoryUser, EmergencyGrant, Exclusion, Finding, Reason } from "./types.ts";

/** A reason and the grant that it comes from, which may be limited to some endpoints. */
interface Holding {
  readonly reason: Reason;
  readonly grant: Pick<Grant, "endpoints">;
}

type Holders = Map<UserId, Holding[]>;

export interface Evaluation {
  readonly branch: BranchName;
  readonly rules: readonly PolicyRule[];
  /** For every endpoint together; each holding's grant says where it counts. */
  readonly holders: ReadonlyMap<Entitlement, ReadonlyMap<UserId, readonly Holding[]>>;
  readonly exclusions: readonly Exclusion[];
  /** What grants gave before `exclusive`, `deny` or a ceiling took it, for whoever asks why. */
  readonly overruled: ReadonlyMap<Entitlement, ReadonlyMap<UserId, readonly Holding[]>>;
  readonly findings: readonly Finding[];
  /** Of groups once bound that are gone: while there are any nobody may be added (rule B4). */
  readonly lostReferences: readonly string[];
}

interface Draft {
  readonly facts: AccessFacts;
  readonly branch: BranchName;
  readonly holders: Map<Entitlement, Holders>;
  readonly exclusions: Exclusion[];
  readonly overruled: Map<Entitlement, Holders>;
  readonly findings: Map<string, Finding>;
  readonly lostReferences: Set<string>;
}

/** Evaluates the policy for the branch under the given name, as an active branch. */
export function evaluate(facts: AccessFacts, name: string): Evaluation {
  const branch = { repository: facts.repository.name, name };
  const rules = listMatchingRules(facts.policy, branch);
  const draft: Draft = {
    facts,
    branch,
    holders: new Map(),
    exclusions: [],
    overruled: new Map(),
    findings: new Map(),
    lostReferences: new Set(),
  };
  for (const rule of rules) for (const grant of rule.grants) addGrant(draft, rule, grant);
  for (const emergency of facts.emergencies) addEmergency(draft, emergency);
  for (const rule of rules) applyExclusive(draft, rule);
  for (const rule of rules) applyDeny(draft, rule);
  for (const bot of facts.policy.bots) applyCeiling(draft, bot);
  return {
    branch,
    rules,
    holders: draft.holders,
    exclusions: draft.exclusions.filter(({ userId, entitlement }) => !draft.holders.get(entitlement)?.has(userId)),
    overruled: draft.overruled,
    findings: [...draft.findings.values()],
    lostReferences: [...draft.lostReferences],
  };
}

function addGrant(draft: Draft, rule: PolicyRule, grant: Grant): void {
  const holders: Holders = draft.holders.get(grant.entitlement) ?? new Map();
  draft.holders.set(grant.entitlement, holders);
  for (const { principal, user, path } of listSubjects(draft, rule, grant)) {
    const outcome = judgeGrant(draft.facts, grant, user);
    const { rule: id, file, line } = grant;
    const origin = { rule: id, file, line, reference: principal.reference, path };
    if ("cause" in outcome) {
      draft.exclusions.push({ ...origin, userId: user.id, entitlement: grant.entitlement, cause: outcome.cause });
    } else {
      const kind = grant.checkout === null ? "standing" : "just-in-time";
      addHolding(holders, user.id, { grant, reason: { ...origin, kind, until: outcome.until } });
    }
  }
}

function addHolding(holders: Holders, userId: UserId, holding: Holding): void {
  const held = holders.get(userId);
  if (held === undefined) holders.set(userId, [holding]);
  else held.push(holding);
}

/** Counts wherever policy grants the entitlement on this branch, and lies below deny and ceilings as any (rule B9). */
function addEmergency(draft: Draft, { id, userId, entitlement, approvedBy, until }: EmergencyGrant): void {
  const holders = draft.holders.get(entitlement);
  const user = draft.facts.users.byId.get(userId);
  if (holders === undefined || user === undefined) return;
  const origin = { rule: `emergency ${id}`, file: "", line: 0, reference: `user:${user.userName}`, path: [] };
  const cause = user.active ? (until <= draft.facts.now ? "expired" : null) : "inactive";
  if (cause !== null) draft.exclusions.push({ ...origin, userId, entitlement, cause });
  else
    addHolding(holders, userId, {
      grant: { endpoints: null },
      reason: { ...origin, kind: "emergency", until, approvedBy },
    });
}

type Outcome = { readonly until: Date | null } | { readonly cause: "inactive" | "expired" | "untrusted" };

/** Until when the grant gives the user its entitlement, or why it does not. A user without a checkout is no subject. */
function judgeGrant(facts: AccessFacts, grant: Grant, { id: userId, active }: DirectoryUser): Outcome {
  if (!active) return { cause: "inactive" };
  if (grant.until !== null && grant.until <= facts.now) return { cause: "expired" };
  if (grant.checkout === null) return { until: grant.until };
  const { forMs, requireTrust } = grant.checkout;
  const trusted = facts.checkouts.filter(
    (checkout) => checkout.userId === userId && (requireTrust === "claim" || checkout.trust === "token"),
  );
  if (trusted.length === 0) return { cause: "untrusted" };
  const standing = trusted.filter(({ endedAt = null }) => endedAt === null);
  if (standing.length === 0) return { cause: "expired" };
  const lastMs = Math.max(...standing.map((checkout) => checkout.startedAt.getTime())) + forMs;
  if (lastMs <= facts.now.getTime()) return { cause: "expired" };
  return { until: new Date(Math.min(lastMs, grant.until?.getTime() ?? lastMs)) };
}

type NamedSubject = Subject & { readonly principal: Principal };

/** The users whom a grant or deny reaches on this branch; unresolved principals become findings. */
function listSubjects(
  draft: Draft,
  rule: PolicyRule,
  each: Place & { readonly rule: string; readonly to: readonly Principal[] },
): NamedSubject[] {
  const dependsOnUser = [...rule.repositories, ...rule.branches].some((pattern) => pattern.attributes.length > 0);
  const isCheckout = "checkout" in each && each.checkout !== null;
  const present = new Set(isCheckout ? draft.facts.checkouts.map((checkout) => checkout.userId) : []);
  return each.to.flatMap((principal) => {
    const { state, subjects } = resolvePrincipal(draft.facts, principal);
    if (state !== "bound") reportUnresolved(draft, each, { state, reference: principal.reference });
    return subjects
      .filter(({ user }) => !isCheckout || present.has(user.id))
      .filter(({ user }) => !dependsOnUser || matchesBranch(rule, draft.branch, attributeOf(user)))
      .map((subject) => ({ ...subject, principal }));
  });
}

function reportUnresolved(
  draft: Draft,
  place: Place & { readonly rule: string },
  { state, reference }: { readonly state: "unbound" | "lost" | "unknown-user"; readonly reference: string },
): void {
  if (state === "lost") draft.lostReferences.add(reference);
  const told = {
    unbound: {
      code: "group-unbound",
      severity: "warning",
      message: `${reference} is bound to no group: it means nobody`,
    },
    lost: {
      code: "group-lost",
      severity: "critical",
      message: `${reference} is missing or ambiguous: its last members stand`,
    },
    "unknown-user": { code: "user-unknown", severity: "info", message: `${reference} is no user of the directory` },
  } as const;
  report(draft, place, { ...told[state], entitlement: null, userId: null });
}

/** Of entitlements that exclude each other a user keeps the one listed first. */
function applyExclusive(draft: Draft, rule: PolicyRule): void {
  const { exclusive } = rule;
  if (exclusive === null) return;
  const taken = new Map<UserId, Entitlement>();
  for (const entitlement of exclusive.entitlements) {
    for (const userId of draft.holders.get(entitlement)?.keys() ?? []) {
      const user = draft.facts.users.byId.get(userId);
      if (user === undefined || !matchesBranch(rule, draft.branch, attributeOf(user))) continue;
      const kept = taken.get(userId);
      if (kept === undefined) {
        taken.set(userId, entitlement);
      } else {
        exclude(draft, { userId, entitlement, cause: "exclusive", place: exclusive, reference: kept, path: [] });
        const message = `${user.userName} holds ${kept}, which excludes ${entitlement}`;
        report(draft, exclusive, { code: "exclusive-withheld", severity: "warning", message, entitlement, userId });
      }
    }
  }
}

function applyDeny(draft: Draft, rule: PolicyRule): void {
  for (const deny of rule.deny) {
    for (const { principal, user, path } of listSubjects(draft, rule, deny)) {
      const { reference } = principal;
      exclude(draft, { userId: user.id, entitlement: deny.entitlement, cause: "deny", place: deny, reference, path });
    }
  }
}

/** A bot keeps what lies within its ceiling, however it came by it (rule B7). */
function applyCeiling(draft: Draft, bot: Bot): void {
  const user = findUserByName(draft.facts.users, bot.userName);
  if (user === undefined) return;
  const isOpen = matchesBranch(bot, draft.branch) && (bot.hours === null || isWithinHours(bot.hours, draft.facts.now));
  for (const [entitlement, holders] of draft.holders) {
    if (!holders.has(user.id) || (isOpen && bot.entitlements.includes(entitlement))) continue;
    const reference = `bot:${bot.userName}`;
    exclude(draft, { userId: user.id, entitlement, cause: "ceiling", place: bot, reference, path: [] });
    const message = `the ceiling of ${reference} does not hold ${entitlement} here and now`;
    report(draft, bot, { code: "ceiling-clipped", severity: "warning", message, entitlement, userId: user.id });
  }
}

interface Excluded extends Pick<Exclusion, "userId" | "entitlement" | "cause" | "reference" | "path"> {
  readonly place: Place & { readonly rule: string };
}

function exclude(draft: Draft, { place, ...excluded }: Excluded): void {
  const { userId, entitlement } = excluded;
  const holders = draft.holders.get(entitlement);
  const held = holders?.get(userId);
  if (holders === undefined || held === undefined) return;
  holders.delete(userId);
  const overruled: Holders = draft.overruled.get(entitlement) ?? new Map();
  draft.overruled.set(entitlement, overruled.set(userId, held));
  draft.exclusions.push({ ...excluded, rule: place.rule, file: place.file, line: place.line });
}

type Told = Pick<Finding, "code" | "severity" | "message" | "entitlement" | "userId">;

function report(draft: Draft, { rule, file, line }: Place & { readonly rule: string }, told: Told): void {
  draft.findings.set(`${told.code} ${rule} ${told.message}`, { ...told, rule, file, line });
}

/** Minutes count from midnight UTC; the end is not within. */
function isWithinHours({ from, to }: DailyHours, at: Date): boolean {
  const minute = at.getUTCHours() * 60 + at.getUTCMinutes();
  return from < to ? from <= minute && minute < to : minute >= from || minute < to;
}
