import { attribute, type AttributeDefinition, type SchemaDefinition } from "@branchward/scim";
import { entitlementExtension } from "./directory/context.ts";

const texts: readonly (readonly [name: string, description: string])[] = [
  ["repository", "The repository's label."],
  ["branch", "The branch's exact name."],
  ["refType", "branch, bookmark or topic."],
  ["entitlement", "The verb that members hold on the branch."],
  ["incarnation", "The life of the branch: a branch created again under this name has another one."],
  ["vcs", "git or hg."],
];

/** The extension of entitlement groups on the wire. */
export const branchEntitlementSchema: SchemaDefinition = {
  id: entitlementExtension,
  name: "BranchEntitlement",
  description: "The branch and the verb that a group stands for",
  attributes: texts.map(([name, description]): AttributeDefinition =>
    attribute({ name, description, caseExact: true }),
  ),
};
