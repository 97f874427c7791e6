/** The read-only catalogues of what a user may hold; their two shapes, since the IETF draft still moves. */
import { attribute, type AttributeDefinition, type SchemaDefinition } from "./definitions.ts";
import { defineResourceType, type ResourceType } from "./resource-type.ts";

/** `ietf`: draft-ietf-scim-roles-entitlements-01. `okta`: what Okta reads ("SCIM with entitlements"), `displayName` for `display`. */
export type CatalogueShape = "ietf" | "okta";

const readOnly = { mutability: "readOnly" } as const;

function text(name: string, description: string, more: Partial<AttributeDefinition> = {}): AttributeDefinition {
  return attribute({ name, description, ...readOnly, ...more });
}

function toSchema(name: "Role" | "Entitlement", shape: CatalogueShape): SchemaDefinition {
  const urn = shape === "ietf" ? "urn:ietf:params:scim:schemas:core:2.0" : "urn:okta:scim:schemas:core:1.0";
  const display = text(shape === "ietf" ? "display" : "displayName", "A name to show.");
  const type = text("type", "What kind it is.", { caseExact: true });
  const value = text("value", "What a user's attribute holds.", { required: true, caseExact: true });
  const supported = attribute({
    name: "supported",
    description: "Whether it may be held.",
    type: "boolean",
    ...readOnly,
  });
  return {
    id: `${urn}:${name}`,
    name,
    description: `${name} catalogue`,
    attributes: shape === "ietf" ? [value, display, type, supported] : [value, display, type],
  };
}

/** `/Roles` and `/Entitlements`, in this order. */
export function createCatalogueTypes(
  shape: CatalogueShape,
): readonly [roles: ResourceType, entitlements: ResourceType] {
  const define = (name: "Role" | "Entitlement", endpoint: string): ResourceType =>
    defineResourceType({
      name,
      endpoint,
      description: `${name}s that users may hold`,
      schema: toSchema(name, shape),
      extensions: [],
      isReadOnly: true,
    });
  return [define("Role", "/Roles"), define("Entitlement", "/Entitlements")];
}
