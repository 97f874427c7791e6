/** A policy's plan as it is told: users by name, and written piece by piece, since it may be long. */
import type { EntitlementChange, Problem, RuleReason, ScopeChange, UserId } from "@branchward/core";
import { type MadePolicyPlan, summarizePlan } from "@branchward/store";

/** The JSON text of a `policyPlanDocument`, in pieces. */
export function* writePlanDocument(made: MadePolicyPlan, warnings: readonly Problem[]): Generator<string> {
  const { plan, digest, base, bindings, unknownUsers, unknownAttributes, unusedEndpoints, retiredEndpoints } = made;
  const summary = summarizePlan(made);
  const head = {
    digest,
    base: base === undefined ? null : { id: base.id, digest: base.digest },
    changed: plan.scopes > 0,
    held: plan.holds.length > 0,
    summary,
    bindings,
    unknownUsers,
    unknownAttributes,
    unusedEndpoints,
    retiredEndpoints,
    idleRules: plan.idleRules,
    warnings,
  };
  yield `${JSON.stringify(head).slice(0, -1)},"changes":[`;
  const nameOf = (id: UserId): string => made.facts.users.byId.get(id)?.userName ?? id;
  for (const [index, change] of plan.changes.entries()) {
    yield* writeChange(change, nameOf, index === 0 ? "" : ",");
  }
  yield "]}";
}

type NameOf = (id: UserId) => string;

/** Scopes in one piece: the string of ten thousand is some two megabytes. */
const PIECE = 1_000;

function* writeChange({ entitlements, scopes }: ScopeChange, nameOf: NameOf, before: string): Generator<string> {
  const told = entitlements.map((each) => tellEntitlement(each, nameOf));
  yield `${before}{"entitlements":${JSON.stringify(told)},"scopes":[`;
  for (let from = 0; from < scopes.length; from += PIECE) {
    const piece = scopes
      .slice(from, from + PIECE)
      .map(({ except, ...scope }) => JSON.stringify({ ...scope, except: except.map(nameOf) }));
    yield `${from === 0 ? "" : ","}${piece.join(",")}`;
  }
  yield "]}";
}

function tellEntitlement({ entitlement, group, gains, losses }: EntitlementChange, nameOf: NameOf) {
  return {
    entitlement,
    group,
    gains: gains.map((gain) => ({ ...tellReason(gain), users: names(gain.users, nameOf), withheld: gain.withheld })),
    losses: losses.map(({ users, cause, was, by, isOverGuard }) => ({
      users: names(users, nameOf),
      cause,
      was: tellReason(was),
      by: by === null ? null : tellReason(by),
      isOverGuard,
    })),
  };
}

function names(users: readonly UserId[], nameOf: NameOf): readonly string[] {
  return users.map(nameOf).toSorted();
}

function tellReason({ rule, file, line, reference, path }: RuleReason) {
  return { rule, file, line, reference, path };
}
