import type { SchemaDefinition } from "./definitions.ts";
import { enterpriseUserSchema } from "./enterprise-user.ts";
import { groupSchema } from "./group.ts";
import { defineResourceType, type ResourceType } from "./resource-type.ts";
import { userSchema } from "./user.ts";

/** The User resource type with the enterprise extension and any others (RFC 7643 §4.1, §4.3). */
export function createUserType(extensions: readonly SchemaDefinition[] = []): ResourceType {
  return defineResourceType({
    name: "User",
    endpoint: "/Users",
    description: "User Account",
    schema: userSchema,
    extensions: [enterpriseUserSchema, ...extensions].map((schema) => ({ schema, required: false })),
  });
}

/** The Group resource type, its members kept as a set, with any extensions (RFC 7643 §4.2). */
export function createGroupType(extensions: readonly SchemaDefinition[] = []): ResourceType {
  return defineResourceType({
    name: "Group",
    endpoint: "/Groups",
    description: "Group",
    schema: groupSchema,
    extensions: extensions.map((schema) => ({ schema, required: false })),
    memberAttribute: "members",
  });
}
