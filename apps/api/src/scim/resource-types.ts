/** The resource types that the directory serves: the core ones, what configuration adds, and the catalogues. */
import {
  branchEntitlementExtension,
  type ScimConfiguration,
  type ScimResourceTypeConfiguration,
  type ScimSchemaConfiguration,
  sshKeysExtension,
} from "@branchward/core";
import {
  type CatalogueShape,
  createCatalogueTypes,
  createGroupType,
  createUserType,
  defineResourceType,
  type Dialect,
  type ResourceType,
} from "@branchward/scim";

/** The types as a client of the dialect sees them. */
export function createResourceTypes({
  catalogues,
  resourceTypes,
}: ScimConfiguration): (dialect: Dialect | undefined) => readonly ResourceType[] {
  const extensionsOf = (name: string): readonly ScimSchemaConfiguration[] =>
    resourceTypes.find((type) => type.name === name)?.extensions ?? [];
  const derivedAttributes = catalogues === "off" ? ["groups"] : ["groups", "entitlements"];
  const types = [
    createUserType([sshKeysExtension, ...extensionsOf("User")], { derivedAttributes }),
    createGroupType([branchEntitlementExtension, ...extensionsOf("Group")]),
    ...resourceTypes.flatMap(toResourceType),
  ];
  if (catalogues === "off") return () => types;
  const withShape = (shape: CatalogueShape) => [...types, ...createCatalogueTypes(shape)];
  const shapes = { ietf: withShape("ietf"), okta: withShape("okta") };
  if (catalogues !== "auto") return () => shapes[catalogues];
  return (dialect) => (dialect === "okta" ? shapes.okta : shapes.ietf);
}

function toResourceType(type: ScimResourceTypeConfiguration): readonly ResourceType[] {
  const { name, endpoint, description, schema, extensions } = type;
  if (endpoint === null || schema === null) return [];
  const held = extensions.map((extension) => ({ schema: extension, required: extension.required }));
  return [defineResourceType({ name, endpoint, description, schema, extensions: held })];
}
