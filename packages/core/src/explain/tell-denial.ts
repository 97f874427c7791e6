import { formatDuration } from "../duration.ts";
import { toOneLine } from "../one-line.ts";
import { decidingVerb, listMatchingRules } from "../policy/match-rules.ts";
import type { Grant, Policy } from "../policy/types.ts";
import type { Entitlement, RefType } from "../words.ts";
import type { AccessReason } from "./explain-access.ts";

/** What was asked and denied. */
export interface DeniedChange {
  /** Null where nobody could be named. */
  readonly userName: string | null;
  readonly repository: string;
  readonly branch: string;
  readonly refType: RefType;
  readonly entitlement: Entitlement;
}

/** Whoever pushes reads this in a terminal: more than a screen helps nobody. */
const MAX_GRANTS = 5;
const MAX_ASKED = 5;

/**
 * A denial as lines for the person it meets: who may not do what, each rule that matters with file and line, and whom to
 * ask. Names come from outside, so that nothing of a line can steer a terminal. Pure.
 */
export function tellDenial(policy: Policy, change: DeniedChange, reasons: readonly AccessReason[]): readonly string[] {
  const grants = listDecidingGrants(policy, change);
  const decisive = reasons.find((reason) => reason.decides && reason.rule !== null);
  const states = reasons.flatMap(({ rule, text }) => (rule === null ? [text] : []));
  const isWithheld = reasons.some(({ withheld }) => withheld);
  const isGrantMissing = !isWithheld && decisive === undefined && reasons.some(({ rule }) => rule !== null);
  const lines = [
    `${change.userName ?? "an unknown user"} may not ${tellChange(change)}`,
    ...states,
    ...(decisive === undefined ? [] : [tellDecisive(decisive)]),
    ...(isGrantMissing ? tellGrants(grants, reasons) : []),
    `ask: ${isGrantMissing ? tellWhom(policy, grants) : tellKeeper(policy, decisive)}`,
  ];
  return lines.map(toOneLine);
}

/** The grants of the verb that decides: of push where an ungoverned force follows it (rule B2). */
function listDecidingGrants(policy: Policy, change: DeniedChange): readonly Grant[] {
  const branch = { repository: change.repository, name: change.branch };
  const verb = decidingVerb(policy, branch, change.entitlement);
  if ("ungoverned" in verb) return [];
  const grants = listMatchingRules(policy, branch).flatMap((rule) => rule.grants);
  return grants.filter((grant) => grant.entitlement === verb.governedBy);
}

function tellChange({ entitlement, branch, refType, repository }: DeniedChange): string {
  const name = refType === "branch" ? branch : `the ${refType} ${branch}`;
  switch (entitlement) {
    case "push":
      return `push to ${name} of ${repository}`;
    case "force":
      return `force-push to ${name} of ${repository}`;
    case "create":
      return `create ${name} in ${repository}`;
    default:
      return `${entitlement} ${name} of ${repository}`;
  }
}

function tellPlace({ rule, file, line }: Pick<AccessReason, "rule" | "file" | "line">): string {
  return `${rule} (${file}:${line})`;
}

function tellGrants(grants: readonly Grant[], reasons: readonly AccessReason[]): readonly string[] {
  const told = grants.slice(0, MAX_GRANTS).map((grant) => tellGrant(grant, reasons));
  const left = grants.length - told.length;
  return left === 0 ? told : [...told, `and ${left} more`];
}

/** To whom the grant gives, or why it does not give to this user, whom it reaches. */
function tellGrant(grant: Grant, reasons: readonly AccessReason[]): string {
  const reaching = reasons.find(({ rule, group }) => rule === grant.rule && group !== null);
  if (reaching !== undefined) return `${tellPlace(grant)} ${reaching.text}`;
  const to = grant.to.map(({ reference }) => reference).join(", ");
  const checkout = grant.checkout === null ? "" : ` for ${formatDuration(grant.checkout.forMs)} after a checkout`;
  return `${tellPlace(grant)} gives ${grant.entitlement} to ${to}${checkout}`;
}

function tellDecisive(reason: AccessReason): string {
  const way = reason.group === null ? "" : ` (${[reason.group, ...reason.path.slice(1)].join(" > ")})`;
  return `${tellPlace(reason)} ${reason.text}${way}`;
}

/** Those to whom the grants give. */
function tellWhom(policy: Policy, grants: readonly Grant[]): string {
  const references = [...new Set(grants.flatMap((grant) => grant.to.map(({ reference }) => reference)))];
  if (references.length === 0) return tellKeeper(policy, undefined);
  const left = references.length - MAX_ASKED;
  return `${references.slice(0, MAX_ASKED).join(", ")}${left > 0 ? `, and ${left} more` : ""}`;
}

/** Whoever can change what stands in the way: the rule that decided, else the directory. */
function tellKeeper(policy: Policy, decisive: AccessReason | undefined): string {
  const file = decisive?.file ?? policy.rules[0]?.file ?? "the policy";
  return decisive === undefined ? `whoever keeps the directory, or ${file}` : `whoever keeps ${file}`;
}
