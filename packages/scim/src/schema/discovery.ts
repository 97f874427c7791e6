import { attribute, type AttributeDefinition, type SchemaDefinition } from "./definitions.ts";

const readOnly = { mutability: "readOnly" } as const;

function text(name: string, description: string, more: Partial<AttributeDefinition> = {}): AttributeDefinition {
  return attribute({ name, description, ...readOnly, ...more });
}

function flag(name: string, description: string): AttributeDefinition {
  return attribute({ name, description, type: "boolean", required: true, ...readOnly });
}

function feature(name: string, description: string, more: readonly AttributeDefinition[] = []): AttributeDefinition {
  return attribute({
    name,
    description,
    type: "complex",
    required: true,
    ...readOnly,
    subAttributes: [flag("supported", "Whether the operation is supported."), ...more],
  });
}

function count(name: string, description: string): AttributeDefinition {
  return attribute({ name, description, type: "integer", required: true, ...readOnly });
}

/** The ServiceProviderConfig schema of RFC 7643 §5 and §8.7.2. */
export const serviceProviderConfigSchema: SchemaDefinition = {
  id: "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
  name: "Service Provider Configuration",
  description: "Schema for representing the service provider's configuration",
  attributes: [
    text("documentationUri", "Where the documentation is.", { type: "reference", referenceTypes: ["external"] }),
    feature("patch", "PATCH."),
    feature("bulk", "Bulk.", [
      count("maxOperations", "The most operations in one request."),
      count("maxPayloadSize", "The most bytes in one request."),
    ]),
    feature("filter", "FILTER.", [count("maxResults", "The most resources in one response.")]),
    feature("changePassword", "Changing a password."),
    feature("sort", "Sorting."),
    feature("etag", "ETags."),
    attribute({
      name: "pagination",
      description: "How lists are paged (RFC 9865 §4).",
      type: "complex",
      ...readOnly,
      subAttributes: [
        flag("cursor", "Whether cursors are supported."),
        flag("index", "Whether startIndex is supported."),
        text("defaultPaginationMethod", "What a request without either gets.", {
          canonicalValues: ["cursor", "index"],
        }),
        count("defaultPageSize", "Resources in a page where count does not say."),
        count("maxPageSize", "The most resources in a page."),
        attribute({
          name: "cursorTimeout",
          description: "Seconds for which a cursor holds.",
          type: "integer",
          ...readOnly,
        }),
      ],
    }),
    attribute({
      name: "limits",
      description: "What one request may ask for; no part of RFC 7643.",
      type: "complex",
      ...readOnly,
      subAttributes: [
        count("maxFilterLength", "Characters in a filter or path."),
        count("maxFilterDepth", "Nesting of parentheses and value paths."),
        count("maxFilterTerms", "Comparisons in a filter."),
        count("maxPatchOperations", "Operations in a PATCH."),
        count("maxAttributeWork", "Changes of attributes in a PATCH, members apart."),
        count("maxMemberComparisons", "Comparisons that select members by anything but their id, in a PATCH."),
        count("maxValues", "Values of an attribute, members apart."),
        count("maxResourceLength", "Characters of a resource, members apart."),
      ],
    }),
    attribute({
      name: "authenticationSchemes",
      description: "The supported authentication schemes.",
      type: "complex",
      multiValued: true,
      required: true,
      ...readOnly,
      subAttributes: [
        text("type", "The scheme.", { required: true }),
        text("name", "Its common name.", { required: true }),
        text("description", "What it is.", { required: true }),
        text("specUri", "Its specification.", { type: "reference", referenceTypes: ["external"] }),
        text("documentationUri", "Its documentation.", { type: "reference", referenceTypes: ["external"] }),
        attribute({ name: "primary", description: "The preferred one.", type: "boolean", ...readOnly }),
      ],
    }),
  ],
};

/** The ResourceType schema of RFC 7643 §6 and §8.7.2. */
export const resourceTypeSchema: SchemaDefinition = {
  id: "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
  name: "ResourceType",
  description: "Specifies the schema that describes a SCIM resource type",
  attributes: [
    text("name", "The name of the resource type.", { required: true }),
    text("description", "What the resource type is."),
    text("endpoint", "Its endpoint below the base.", {
      type: "reference",
      referenceTypes: ["uri"],
      required: true,
    }),
    text("schema", "Its primary schema.", {
      type: "reference",
      referenceTypes: ["uri"],
      required: true,
      caseExact: true,
    }),
    attribute({
      name: "schemaExtensions",
      description: "Its schema extensions.",
      type: "complex",
      multiValued: true,
      ...readOnly,
      subAttributes: [
        text("schema", "The extension.", {
          type: "reference",
          referenceTypes: ["uri"],
          required: true,
          caseExact: true,
        }),
        flag("required", "Whether every resource has it."),
      ],
    }),
  ],
};

// RFC 7643 §8.7.2 nests sub-attributes once more; one level describes every schema that the engine accepts.
const characteristics: readonly AttributeDefinition[] = [
  text("name", "The attribute's name.", { required: true, caseExact: true }),
  text("type", "The attribute's data type.", { required: true }),
  flag("multiValued", "Whether it holds several values."),
  text("description", "What it is.", { caseExact: true }),
  flag("required", "Whether it must have a value."),
  text("canonicalValues", "Suggested values.", { multiValued: true, caseExact: true }),
  attribute({ name: "caseExact", description: "Whether case matters.", type: "boolean", ...readOnly }),
  text("mutability", "When it may change.", { caseExact: true }),
  text("returned", "When it is returned.", { caseExact: true }),
  text("uniqueness", "How its uniqueness is enforced.", { caseExact: true }),
  text("referenceTypes", "What a reference may name.", { multiValued: true, caseExact: true }),
];

/** The Schema schema of RFC 7643 §7 and §8.7.2. */
export const schemaSchema: SchemaDefinition = {
  id: "urn:ietf:params:scim:schemas:core:2.0:Schema",
  name: "Schema",
  description: "Specifies the schema that describes a SCIM schema",
  attributes: [
    text("name", "The schema's name."),
    text("description", "What the schema is."),
    attribute({
      name: "attributes",
      description: "The attributes of the schema.",
      type: "complex",
      multiValued: true,
      required: true,
      ...readOnly,
      subAttributes: characteristics,
    }),
  ],
};
