/** Entitlement groups: what marks them, and what they say (contract, "Entitlement groups on the wire"). */
import { type BranchEntitlement, branchEntitlementSchema, isOurExternalId } from "@branchward/core";
import { isJsonObject, type JsonObject, ownValue, ScimError } from "@branchward/scim";

/** The branch and the verb of an entitlement group. */
export type GroupEntitlement = Readonly<Record<keyof BranchEntitlement, string>>;

/** What the group stands for; undefined for one that people are in. The attributes have passed `requireMarks`. */
export function findEntitlement(attributes: JsonObject): GroupEntitlement | undefined {
  const extension = ownValue(attributes, branchEntitlementSchema);
  if (!isJsonObject(extension)) return undefined;
  const textOf = (name: keyof BranchEntitlement): string => {
    const value = ownValue(extension, name);
    return typeof value === "string" ? value : "";
  };
  return {
    repository: textOf("repository"),
    branch: textOf("branch"),
    refType: textOf("refType") || "branch",
    entitlement: textOf("entitlement"),
    incarnation: textOf("incarnation"),
    vcs: textOf("vcs"),
  };
}

/**
 * Holds a group to the marks of its kind (rule C7).
 * @throws ScimError 409 for a reserved `externalId` without the extension, 400 for an extension that is not whole
 */
export function requireMarks(attributes: JsonObject): void {
  const externalId = ownValue(attributes, "externalId");
  const isMarked = typeof externalId === "string" && isOurExternalId(externalId);
  const entitlement = findEntitlement(attributes);
  if (entitlement === undefined) {
    if (!isMarked) return;
    throw new ScimError(409, `externalId ${externalId} is reserved for entitlement groups`, "uniqueness");
  }
  if (!isMarked) throw refuse("an entitlement group needs an externalId that begins branchward:");
  for (const name of ["repository", "branch", "entitlement"] as const) {
    if (entitlement[name] === "") throw refuse(`an entitlement group needs ${branchEntitlementSchema}:${name}`);
  }
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
