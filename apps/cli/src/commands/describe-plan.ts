/** A policy's plan for people: each different change once, bounded, with what is left out counted. */
import type { PolicyPlanDocument } from "@branchward/core/api";
import { formatWarnings } from "@branchward/runtime";

type Change = PolicyPlanDocument["changes"][number];
type EntitlementChange = Change["entitlements"][number];
type Loss = EntitlementChange["losses"][number];
type Reason = Loss["was"];

/** At most `limit` changes, and of each at most so many scopes and users. */
export function describePlan(plan: PolicyPlanDocument, limit: number): readonly string[] {
  const { summary, changes } = plan;
  const totals = [
    count(summary.gains, "gain"),
    count(summary.losses, "loss", "losses"),
    `${count(summary.groupsAppearing, "group")} made`,
    `${count(summary.groupsVanishing, "group")} removed`,
  ];
  const head = plan.changed
    ? `${count(summary.scopes, "scope")} of ${count(summary.branches, "branch", "branches")} would change: ${totals.join(", ")}`
    : `nothing would change on ${count(summary.branches, "live branch", "live branches")}`;
  const shown = changes.slice(0, limit).flatMap((change) => ["", ...describeChange(change, limit)]);
  const rest =
    changes.length > limit ? ["", `… and ${count(changes.length - limit, "more change")} (--json tells all)`] : [];
  return [head, ...shown, ...rest, ...describeRemarks(plan, limit)];
}

function describeChange({ entitlements, scopes }: Change, limit: number): readonly string[] {
  const names = scopes.map(({ repository, branch, endpoint, except }) => {
    const others = except.length === 0 ? "" : ` (but not ${cut(except, limit)})`;
    return `${repository}:${branch} at ${endpoint}${others}`;
  });
  const shown = names.slice(0, limit);
  const rest = names.length > limit ? [`… and ${count(names.length - limit, "more scope")}`] : [];
  return [...shown, ...rest, ...entitlements.flatMap((each) => describeEntitlement(each, limit))];
}

const groupTexts = { stays: "", appears: " (its group is made)", vanishes: " (its group is removed)" } as const;

function describeEntitlement(
  { entitlement, group, gains, losses }: EntitlementChange,
  limit: number,
): readonly string[] {
  return [
    `  ${entitlement}${groupTexts[group]}`,
    ...gains.map(({ users, withheld, ...reason }) => {
      const waits = withheld ? "; withheld while a group is lost" : "";
      return `    + ${cut(users, limit)}: ${place(reason)}${waits}`;
    }),
    ...losses.map(
      (loss) => `    - ${cut(loss.users, limit)}: ${tellLoss(loss)}${loss.isOverGuard ? "; needs approval" : ""}`,
    ),
  ];
}

function tellLoss({ cause, was, by }: Loss): string {
  const former = `was given by ${place(was)}`;
  if (by !== null) return `${cause} by ${place(by)}; ${former}`;
  return cause === "unmentioned" ? `no rule names it any more; ${former}` : `no rule grants it any more; ${former}`;
}

function place({ rule, file, line, reference }: Reason): string {
  return `${reference} (${rule} at ${file}:${line})`;
}

function describeRemarks(plan: PolicyPlanDocument, limit: number): readonly string[] {
  const bindings = plan.bindings
    .filter(({ state }) => state !== "bound")
    .map(({ reference, state }) => `${reference} ${bindingTexts[state]}`);
  const users = plan.unknownUsers.map((name) => `the directory has no user ${name}`);
  const attributes = plan.unknownAttributes.map(
    (name) => `no user of the directory has a text as ${name}: patterns with \${user.${name}} match nobody`,
  );
  const endpoints = plan.unusedEndpoints.map(
    (name) => `${name} is no endpoint of the running Branchward: what is granted there alone waits for its next start`,
  );
  const retired = plan.retiredEndpoints.map(
    (name) =>
      `${name} is retired: nothing is given or taken there, whatever the policy says, until branchward endpoints retire ${name} --undo`,
  );
  const idle = plan.idleRules.map(({ rule, file, line }) => `${rule} (${file}:${line}) matches no live branch`);
  const remarks = [...bindings, ...users, ...attributes, ...endpoints, ...retired, ...idle];
  const held = plan.summary.holds.map(({ message }) => message);
  return [
    ...section("Warnings", formatWarnings(plan.warnings), limit),
    ...section("Remarks", remarks, limit),
    ...section(`Needs approval before it is in force (digest ${plan.digest})`, held, limit),
  ];
}

const bindingTexts = {
  bound: "is bound",
  "would-bind": "would be bound to the group of this name",
  unbound: "is bound to no group: it grants nobody and denies nobody until one of this name appears",
  ambiguous: "is the name of several groups and would be bound to none: pin the client (group:client/name)",
  lost: "has lost its group: its last members stand; re-bind with branchward groups bind",
} as const;

function section(title: string, lines: readonly string[], limit: number): readonly string[] {
  if (lines.length === 0) return [];
  const rest = lines.length > limit ? [`  … and ${lines.length - limit} more`] : [];
  return ["", `${title}:`, ...lines.slice(0, limit).map((line) => `  ${line}`), ...rest];
}

function cut(names: readonly string[], limit: number): string {
  const shown = names.slice(0, limit).join(", ");
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
