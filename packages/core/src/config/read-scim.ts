/** Reads the `scim` section: resource types, extensions and catalogues that the directory serves beyond the core ones. */
import { z } from "zod";
import * as field from "./fields.ts";
import { childOf, quote, type Node, type Reader } from "./reader.ts";
import type {
  ScimAttributeConfiguration,
  ScimConfiguration,
  ScimResourceTypeConfiguration,
  ScimSchemaConfiguration,
} from "./types.ts";

const coreTypes = ["User", "Group"];
/** RFC 7644 §3.2, and the catalogues. */
const takenEndpoints = new Set(
  ["Users", "Groups", "Me", "Bulk", "Schemas", "ResourceTypes", "ServiceProviderConfig", "Roles", "Entitlements"].map(
    (name) => `/${name.toLowerCase()}`,
  ),
);
const takenTypes = new Set(["Role", "Entitlement", "Schema", "ResourceType", "ServiceProviderConfig"]);
/** RFC 7643 §3.1: every resource has these. */
const commonAttributes = new Set(["schemas", "id", "externalid", "meta"]);

const simpleTypes = ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference"] as const;

const urn = z.string({ error: "must be a URN" }).regex(/^urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}:[\w.:-]{1,200}$/u, {
  error: "must be a URN such as urn:example:scim:Device",
});
const typeName = z
  .string({ error: "must be text" })
  .regex(/^[A-Z][A-Za-z0-9]{0,39}$/u, { error: "must be a name such as Device" });
const endpointPath = z
  .string({ error: "must be text" })
  .regex(/^\/[A-Z][A-Za-z0-9]{0,39}$/u, { error: "must be a path such as /Devices" });
// What an object inherits would be read from the prototype where a resource lacks it.
const attributeName = z
  .string({ error: "must be text" })
  .regex(/^[A-Za-z$][\w$-]{0,63}$/u, { error: "must be an attribute name such as serialNumber" })
  .refine((name) => !(name in Object.prototype), { error: "is not allowed as an attribute name" });

/** The section with defaults filled in. */
export function readScim(reader: Reader, node: Node): ScimConfiguration {
  const fields = reader.readFields(node, {
    catalogues: field.oneOf(["auto", "ietf", "okta", "off"]).default("auto"),
    resourceTypes: z.unknown(),
  });
  const nodes = reader.readItems(childOf(node, "resourceTypes"));
  const resourceTypes = nodes.map((item) => readResourceType(reader, item));
  reportRepeated(
    reader,
    nodes,
    resourceTypes.map(({ name }) => name),
    "name",
  );
  reportRepeated(
    reader,
    nodes,
    resourceTypes.map(({ endpoint }) => endpoint?.toLowerCase()),
    "endpoint",
  );
  const schemas = resourceTypes.flatMap(({ schema, extensions }) => [schema, ...extensions]);
  const ids = schemas.flatMap((schema) => schema?.id.toLowerCase() ?? []);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) reader.report(childOf(node, "resourceTypes").path, `${quote(twice)} is defined twice`);
  return { catalogues: fields.catalogues ?? "auto", resourceTypes };
}

function readResourceType(reader: Reader, node: Node): ScimResourceTypeConfiguration {
  const isCore = coreTypes.includes(String(childOf(node, "name").value));
  const fields = reader.readFields(node, {
    name: typeName.refine((name) => !takenTypes.has(name), { error: "is a type that is there already" }),
    endpoint: isCore
      ? z.undefined({ error: "is given by the core type" })
      : endpointPath.refine((path) => !takenEndpoints.has(path.toLowerCase()), { error: "is taken" }),
    description: field.text.optional(),
    schema: isCore ? z.undefined({ error: "is given by the core type: add extensions" }) : z.unknown(),
    extensions: z.unknown(),
  });
  const extensions = reader
    .readItems(childOf(node, "extensions"))
    .map((item) => readSchema(reader, item, { mayBeUnique: !isCore, isExtension: true }));
  const schemaNode = childOf(node, "schema");
  if (!isCore && schemaNode.value === undefined) reader.report(node.path, "schema is required");
  if (isCore && extensions.length === 0) reader.report(node.path, "extensions is required");
  const hasSchema = !isCore && schemaNode.value !== undefined;
  return {
    name: fields.name ?? "",
    endpoint: fields.endpoint ?? null,
    description: fields.description ?? fields.name ?? "",
    schema: hasSchema ? readSchema(reader, schemaNode, { mayBeUnique: true, isExtension: false }) : null,
    extensions,
  };
}

interface SchemaPlace {
  /** Unique values are kept for resources of added types alone. */
  readonly mayBeUnique: boolean;
  readonly isExtension: boolean;
}

function readSchema(reader: Reader, node: Node, place: SchemaPlace): ScimSchemaConfiguration {
  const fields = reader.readFields(node, {
    id: urn.refine((id) => !/^urn:(ietf|branchward|okta):/iu.test(id), { error: "is a name space of others" }),
    name: field.text.optional(),
    description: field.text.optional(),
    required: place.isExtension ? field.flag.default(false) : z.undefined({ error: "is for extensions" }),
    attributes: z.unknown(),
  });
  const attributesNode = childOf(node, "attributes");
  const nodes = reader.readItems(attributesNode);
  if (nodes.length === 0) reader.report(node.path, "attributes is required");
  const attributes = nodes.map((item) => readAttribute(reader, item, place));
  reportRepeated(
    reader,
    nodes,
    attributes.map(({ name }) => name.toLowerCase()),
    "name",
  );
  for (const [index, { name }] of attributes.entries()) {
    const isTaken = !place.isExtension && commonAttributes.has(name.toLowerCase());
    if (isTaken) reader.report([...attributesNode.path, index], `${quote(name)} is an attribute of every resource`);
  }
  const id = fields.id ?? "";
  const name = fields.name ?? id.slice(id.lastIndexOf(":") + 1);
  return { id, name, description: fields.description ?? name, required: fields.required ?? false, attributes };
}

function readAttribute(
  reader: Reader,
  node: Node,
  { mayBeUnique }: Pick<SchemaPlace, "mayBeUnique">,
  isSub = false,
): ScimAttributeConfiguration {
  const types = isSub ? simpleTypes : ([...simpleTypes, "complex"] as const);
  const subNodes = reader.readItems(childOf(node, "subAttributes"));
  const fields = reader.readFields(node, {
    name: attributeName,
    description: field.text.optional(),
    type: field.oneOf(types).default("string"),
    multiValued: field.flag.default(false),
    required: field.flag.default(false),
    caseExact: field.flag.default(false),
    mutability: field.oneOf(["readWrite", "immutable", "writeOnly", "readOnly"]).default("readWrite"),
    returned: field.oneOf(["default", "always", "never", "request"]).default("default"),
    uniqueness: field.oneOf(["none", "server", "global"]).default("none"),
    canonicalValues: field.listOf(field.text).optional(),
    referenceTypes: field.listOf(field.text).optional(),
    subAttributes: z.unknown(),
  });
  const { name = "", type = "string", uniqueness = "none", canonicalValues, referenceTypes } = fields;
  if (type === "complex" && subNodes.length === 0) reader.report(node.path, "a complex attribute needs subAttributes");
  if (type !== "complex" && subNodes.length > 0) reader.report(node.path, "subAttributes are for complex attributes");
  const canBeUnique = mayBeUnique && !isSub && fields.multiValued === false && type !== "complex";
  if (uniqueness !== "none" && !canBeUnique) {
    reader.report([...node.path, "uniqueness"], "is for single, simple attributes of added resource types");
  }
  const subAttributes = subNodes.map((item) => readAttribute(reader, item, { mayBeUnique: false }, true));
  reportRepeated(
    reader,
    subNodes,
    subAttributes.map((sub) => sub.name.toLowerCase()),
    "name",
  );
  return {
    name,
    description: fields.description ?? name,
    type,
    multiValued: fields.multiValued ?? false,
    required: fields.required ?? false,
    caseExact: fields.caseExact ?? false,
    mutability: fields.mutability ?? "readWrite",
    returned: fields.returned ?? "default",
    uniqueness,
    ...(canonicalValues === undefined ? {} : { canonicalValues }),
    ...(referenceTypes === undefined ? {} : { referenceTypes }),
    ...(subAttributes.length === 0 ? {} : { subAttributes }),
  };
}

function reportRepeated(
  reader: Reader,
  nodes: readonly Node[],
  keys: readonly (string | null | undefined)[],
  key: string,
): void {
  for (const [index, node] of nodes.entries()) {
    const value = keys[index];
    const isRepeated = value !== undefined && value !== null && value !== "" && keys.indexOf(value) < index;
    if (isRepeated) reader.report([...node.path, key], `${quote(value)} is there twice`);
  }
}
