/** Which push rule an entitlement group stands for, and which groups Phabricator cannot enforce. */
import { type JsonObject, ScimError } from "@branchward/scim";
import { branchEntitlementSchema } from "@branchward/core";
import { findEntitlement, type GroupEntitlement } from "../state/entitlement.ts";
import type { NativeRepositories, NativeRepository } from "./repositories.ts";
import type { PushRule, PushRuleSpecification } from "./push-rules.ts";
import { textOf } from "../state/text-of.ts";

/** The rule of a group, without its project; undefined for a group that people are in. */
export type RuleDraft = Omit<PushRuleSpecification, "project">;

/** @throws ScimError 400 invalidValue naming what Phabricator cannot express; ConduitError */
export async function findRuleDraft(
  repositories: NativeRepositories,
  attributes: JsonObject,
): Promise<RuleDraft | undefined> {
  const entitlement = findEntitlement(attributes);
  if (entitlement === undefined) return undefined;
  requireVerb(entitlement);
  const repository = await repositories.get(entitlement.repository);
  const refType = toRefType(entitlement, repository);
  requirePushPolicy(repository);
  const { branch } = entitlement;
  // An external id is up to the client, a rule's name is at most 255 bytes.
  const name = textOf(attributes, "externalId");
  if (Buffer.byteLength(name) > 200) throw refuse("the externalId is too long for the name of a Herald rule");
  return {
    name,
    repository: repository.phid,
    refType,
    ref: branch,
    message: `Branchward: pushing to ${branch} of ${entitlement.repository} needs the project "${textOf(attributes, "displayName")}".`,
  };
}

function requireVerb({ entitlement }: GroupEntitlement): void {
  if (entitlement === "push") return;
  throw refuse(
    `Phabricator has no rule per branch for ${JSON.stringify(entitlement)}: this bridge enforces push alone, which covers creating, rewriting and deleting the branch too`,
  );
}

function toRefType({ refType }: GroupEntitlement, { vcs, name }: NativeRepository): "branch" | "bookmark" {
  if (refType === "branch") return "branch";
  if (refType === "bookmark" && vcs === "hg") return "bookmark";
  throw refuse(`Phabricator knows no ${refType} in ${name}, which is a ${vcs} repository`);
}

/** A branch rule only narrows what the repository's policy lets through. */
function requirePushPolicy({ name, pushPolicy }: NativeRepository): void {
  if (pushPolicy !== "no-one") return;
  throw refuse(`nobody may push to ${name}: its push policy is "no-one", which a branch rule cannot widen`);
}

/** The attributes that a rule tells of its group, for a state that was lost; undefined for a rule that is not whole. */
export function toEntitlementAttributes(rule: PushRule, label: string, vcs: string): JsonObject | undefined {
  const [, incarnation, entitlement] = /^branchward:([^:]+):(.+)$/.exec(rule.name) ?? [];
  if (incarnation === undefined || entitlement === undefined || rule.ref === undefined || rule.refType === undefined)
    return undefined;
  return {
    externalId: rule.name,
    [branchEntitlementSchema]: {
      repository: label,
      branch: rule.ref,
      refType: rule.refType,
      entitlement,
      incarnation,
      vcs,
    },
  };
}

/** Whether a rule limits the branch of a group to its project; which repository the label means is left to `findRuleDraft`. */
export function isGuarding(rule: PushRule, project: string, attributes: JsonObject): boolean {
  return (
    rule.isIntact &&
    !rule.isDisabled &&
    rule.project === project &&
    rule.name === attributes["externalId"] &&
    rule.ref === findEntitlement(attributes)?.branch
  );
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
