import { attribute, type SchemaDefinition } from "./definitions.ts";

/** The Group schema of RFC 7643 §4.2 and §8.7.1; `displayName` is required, as there. */
export const groupSchema: SchemaDefinition = {
  id: "urn:ietf:params:scim:schemas:core:2.0:Group",
  name: "Group",
  description: "Group",
  attributes: [
    attribute({ name: "displayName", description: "The name of the group.", required: true, uniqueness: "server" }),
    attribute({
      name: "members",
      description: "The members of the group.",
      type: "complex",
      multiValued: true,
      subAttributes: [
        // An id, hence caseExact like `id` itself, other than in RFC 7643 §8.7.1.
        attribute({ name: "value", description: "The member's id.", caseExact: true, mutability: "immutable" }),
        attribute({
          name: "$ref",
          description: "The member's URI.",
          type: "reference",
          caseExact: true,
          referenceTypes: ["User", "Group"],
          mutability: "immutable",
        }),
        attribute({
          name: "type",
          description: "What the member is.",
          canonicalValues: ["User", "Group"],
          mutability: "immutable",
        }),
        attribute({ name: "display", description: "The member's name.", mutability: "readOnly" }),
      ],
    }),
  ],
};
