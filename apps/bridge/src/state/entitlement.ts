/** Entitlement groups: what marks them, and what they say (contract, "Entitlement groups on the wire"). */
import { branchEntitlementSchema as extensionId, isOurExternalId } from "@branchward/core";
import { attribute, isJsonObject, type JsonObject, ownValue, type SchemaDefinition, ScimError } from "@branchward/scim";

const ATTRIBUTES = {
  repository: "The repository's label.",
  branch: "The branch's exact name.",
  refType: "branch, bookmark or topic.",
  entitlement: "The verb that members hold on the branch.",
  incarnation: "The life of the branch: a branch created again under this name has another one.",
  vcs: "git or hg.",
} as const;

/** The extension of entitlement groups. */
export const branchEntitlementSchema: SchemaDefinition = {
  id: extensionId,
  name: "BranchEntitlement",
  description: "The branch and the verb that a group stands for",
  attributes: Object.entries(ATTRIBUTES).map(([name, description]) =>
    attribute({ name, description, caseExact: true }),
  ),
};

/** The branch and the verb of an entitlement group. */
export type GroupEntitlement = Readonly<Record<keyof typeof ATTRIBUTES, string>>;

/** What the group stands for; undefined for one that people are in. The attributes have passed `requireMarks`. */
export function findEntitlement(attributes: JsonObject): GroupEntitlement | undefined {
  const extension = ownValue(attributes, extensionId);
  if (!isJsonObject(extension)) return undefined;
  const textOf = (name: keyof typeof ATTRIBUTES): string => {
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
    if (entitlement[name] === "") throw refuse(`an entitlement group needs ${extensionId}:${name}`);
  }
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
