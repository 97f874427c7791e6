import { attribute, type AttributeDefinition } from "./definitions.ts";

const readOnly = { caseExact: true, mutability: "readOnly" } as const;

/** The attributes that every resource has and no schema lists (RFC 7643 §3.1). */
export const commonAttributes: readonly AttributeDefinition[] = [
  attribute({
    name: "schemas",
    description: "The schemas of the resource.",
    type: "reference",
    multiValued: true,
    returned: "always",
    ...readOnly,
  }),
  attribute({
    name: "id",
    description: "The service provider's id of the resource.",
    returned: "always",
    uniqueness: "server",
    ...readOnly,
  }),
  attribute({ name: "externalId", description: "The client's id of the resource.", caseExact: true }),
  attribute({
    name: "meta",
    description: "Metadata kept by the service provider.",
    type: "complex",
    ...readOnly,
    subAttributes: [
      attribute({ name: "resourceType", description: "The name of the resource type.", ...readOnly }),
      attribute({ name: "created", description: "When the resource was added.", type: "dateTime", ...readOnly }),
      attribute({ name: "lastModified", description: "When it last changed.", type: "dateTime", ...readOnly }),
      attribute({ name: "location", description: "The URI of the resource.", type: "reference", ...readOnly }),
      attribute({ name: "version", description: "The version, equal to its ETag.", ...readOnly }),
    ],
  }),
];
