import { decidingVerb, isGrantedAt, listScopeEntitlements } from "../policy/match-rules.ts";
import type { Bot, DailyHours } from "../policy/types.ts";
import type { Entitlement, UserId } from "../words.ts";
import { evaluate, type Evaluation } from "./evaluate.ts";
import { findUserByName } from "./resolve-principal.ts";
import type { Desired, DesiredFacts, DesiredMember, Exclusion, Finding } from "./types.ts";

const dayMs = 86_400_000;

/** Who ought to hold which entitlement in one scope, and why (rules A5–A7, B2–B7). Pure. */
export function computeDesired(facts: DesiredFacts): Desired {
  const { policy, repository, incarnation, endpoint } = facts;
  const [name, ...formerNames] = incarnation.names;
  const entitlements = listScopeEntitlements(policy, { repository: repository.name, name }, endpoint.name);
  if (incarnation.state !== "active") {
    const empty = entitlements.map((entitlement) => ({ entitlement, members: [] }));
    return { entitlements: empty, exclusions: [], lostReferences: [], nextChangeAt: null, findings: [] };
  }
  const current = evaluate(facts, name);
  const former = formerNames.map((each) => evaluate(facts, each));
  const groups = entitlements.map((entitlement) => {
    const members = membersAt(current, entitlement, endpoint.name);
    return {
      entitlement,
      members: members.filter(({ userId }) => former.every((was) => mayKeep(facts, was, entitlement, userId))),
    };
  });
  return {
    entitlements: groups,
    exclusions: [...current.exclusions, ...groups.flatMap((group) => listRenamed(current, group, endpoint.name))],
    lostReferences: [...new Set([current, ...former].flatMap(({ lostReferences }) => lostReferences))],
    nextChangeAt: nextChange(facts, [current, ...former]),
    findings: [
      ...current.findings.filter((finding) => isToldAt(current, finding, endpoint.name)),
      ...groups.flatMap((group) => listTooFew(current, group, endpoint.name)),
    ],
  };
}

function membersAt(evaluation: Evaluation, entitlement: Entitlement, endpoint: string): DesiredMember[] {
  const holders = [...(evaluation.holders.get(entitlement) ?? [])];
  const members = holders.map(([userId, holdings]) => ({
    userId,
    reasons: holdings.filter(({ grant }) => isGrantedAt(grant, endpoint)).map(({ reason }) => reason),
  }));
  return members.filter(({ reasons }) => reasons.length > 0).toSorted((a, b) => (a.userId < b.userId ? -1 : 1));
}

/** Until a rename is verified nobody holds what the former name did not give (rule A5). */
function mayKeep(
  { policy, endpoint }: DesiredFacts,
  was: Evaluation,
  entitlement: Entitlement,
  userId: UserId,
): boolean {
  const verb = decidingVerb(policy, was.branch, entitlement);
  if ("ungoverned" in verb) return verb.ungoverned === "allow";
  return (
    was.holders
      .get(verb.governedBy)
      ?.get(userId)
      ?.some(({ grant }) => isGrantedAt(grant, endpoint.name)) ?? false
  );
}

/** What was taken from a user is told where some grant would have given it. */
function isToldAt({ overruled }: Evaluation, { entitlement, userId }: Finding, endpoint: string): boolean {
  if (entitlement === null || userId === null) return true;
  return (
    overruled
      .get(entitlement)
      ?.get(userId)
      ?.some(({ grant }) => isGrantedAt(grant, endpoint)) ?? false
  );
}

type Group = Desired["entitlements"][number];

function listRenamed(current: Evaluation, { entitlement, members }: Group, endpoint: string): Exclusion[] {
  const kept = new Set(members.map((member) => member.userId));
  return membersAt(current, entitlement, endpoint)
    .filter(({ userId }) => !kept.has(userId))
    .flatMap(({ userId, reasons }) => {
      const [reason] = reasons;
      if (reason === undefined) return [];
      const { rule, file, line, reference, path } = reason;
      return [{ userId, entitlement, cause: "rename" as const, rule, file, line, reference, path }];
    });
}

function listTooFew({ rules }: Evaluation, { entitlement, members }: Group, endpoint: string): Finding[] {
  return rules
    .flatMap((rule) => rule.grants)
    .filter(
      (grant) => grant.entitlement === entitlement && isGrantedAt(grant, endpoint) && members.length < grant.atLeast,
    )
    .map(({ rule, file, line, atLeast }) => ({
      code: "at-least",
      severity: "critical",
      message: `${entitlement} has ${members.length} of at least ${atLeast} members`,
      rule,
      file,
      line,
      entitlement,
      userId: null,
    }));
}

/** The first expiry of any reason, or the next turn of the hours of a bot that is concerned. */
function nextChange(facts: DesiredFacts, evaluations: readonly Evaluation[]): Date | null {
  const holdings = evaluations.flatMap(({ holders }) =>
    [...holders.values()].flatMap((users) => [...users.values()].flat()),
  );
  const ends = holdings.flatMap(({ reason }) => (reason.until === null ? [] : [reason.until.getTime()]));
  const turns = facts.policy.bots
    .filter((bot) => evaluations.some((evaluation) => isConcerned(facts, evaluation, bot)))
    .flatMap((bot) => (bot.hours === null ? [] : nextTurns(bot.hours, facts.now)));
  const first = [...ends, ...turns].reduce((least, each) => Math.min(least, each), Infinity);
  return first === Infinity ? null : new Date(first);
}

function isConcerned({ users }: DesiredFacts, { holders, exclusions }: Evaluation, bot: Bot): boolean {
  const user = findUserByName(users, bot.userName);
  const holds = user !== undefined && holders.values().some((each) => each.has(user.id));
  return holds || exclusions.some(({ cause, rule }) => cause === "ceiling" && rule === bot.rule);
}

function nextTurns({ from, to }: DailyHours, now: Date): number[] {
  const midnight = Math.floor(now.getTime() / dayMs) * dayMs;
  return [from, to].map((minute) => midnight + minute * 60_000).map((at) => (at > now.getTime() ? at : at + dayMs));
}
