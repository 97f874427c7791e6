import {
  type AttributeDefinition,
  defineSchema,
  type SchemaDefinition,
  type SchemaSpecification,
} from "./definitions.ts";
import { enterpriseUserSchema } from "./enterprise-user.ts";
import { groupSchema } from "./group.ts";
import { defineResourceType, type ResourceType, type ResourceTypeDefinition } from "./resource-type.ts";
import { userSchema } from "./user.ts";

/** How a User type departs from RFC 7643's. */
export interface UserTypeOptions {
  /** Attributes that the store derives, so that clients cannot write them: `groups`, `entitlements`. */
  readonly derivedAttributes?: readonly string[];
}

/** The User resource type with the enterprise extension and any others (RFC 7643 §4.1, §4.3). */
export function createUserType(
  extensions: readonly SchemaSpecification[] = [],
  { derivedAttributes = [] }: UserTypeOptions = {},
): ResourceType {
  return defineResourceType({
    name: "User",
    endpoint: "/Users",
    description: "User Account",
    schema: withReadOnly(userSchema, derivedAttributes),
    extensions: [enterpriseUserSchema, ...extensions].map(toOptional),
    derivedAttributes,
  });
}

/** The Group resource type, its members kept as a set, with any extensions (RFC 7643 §4.2). */
export function createGroupType(extensions: readonly SchemaSpecification[] = []): ResourceType {
  return defineResourceType({
    name: "Group",
    endpoint: "/Groups",
    description: "Group",
    schema: groupSchema,
    extensions: extensions.map(toOptional),
    memberAttribute: "members",
  });
}

function withReadOnly(schema: SchemaDefinition, names: readonly string[]): SchemaDefinition {
  const attributes = schema.attributes.map((definition): AttributeDefinition =>
    names.includes(definition.name) ? { ...definition, mutability: "readOnly" } : definition,
  );
  return { ...schema, attributes };
}

function toOptional(specification: SchemaSpecification): ResourceTypeDefinition["extensions"][number] {
  return { schema: defineSchema(specification), required: false };
}
