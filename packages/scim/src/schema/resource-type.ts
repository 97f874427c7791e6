/** Hides how a name that a client wrote becomes an attribute of a schema: always through maps, never by indexing. */
import { commonAttributes } from "./common.ts";
import { isHidden, type AttributeDefinition, type SchemaDefinition } from "./definitions.ts";

/** A resource type as its author states it (RFC 7643 §6). */
export interface ResourceTypeDefinition {
  readonly name: string;
  /** Below the base, with its slash: `/Users`. */
  readonly endpoint: string;
  readonly description: string;
  readonly schema: SchemaDefinition;
  readonly extensions: readonly { readonly schema: SchemaDefinition; readonly required: boolean }[];
  /** The multi-valued attribute that the store keeps as a set keyed by `value`; it is changed by deltas only. */
  readonly memberAttribute?: string;
  /** Read-only attributes of the core schema that the store makes when they are asked for. */
  readonly derivedAttributes?: readonly string[];
  /** True where clients may only read: every write is 405. */
  readonly isReadOnly?: boolean;
}

/** A resource type with its look-up tables; made by `defineResourceType`. */
export interface ResourceType extends ResourceTypeDefinition {
  /** The attribute or extension that `text` names: `userName`, `name.familyName`, `urn:…:User:manager.value`, `urn:…:User`. */
  readonly findTarget: (text: string) => AttributeRef | ExtensionRef | undefined;
  /** The definition of `memberAttribute`. */
  readonly members: AttributeDefinition | undefined;
  /** The definitions of `derivedAttributes`. */
  readonly derived: readonly AttributeDefinition[];
  /**
   * Names of attributes, and URIs of extensions, that are returned whole unless a request says otherwise; the other
   * extensions hold attributes that are not.
   */
  readonly returnedWhole: ReadonlySet<string>;
}

/** An attribute of a resource type, or one of its sub-attributes. */
export interface AttributeRef {
  readonly kind: "attribute";
  /** The URI of the extension that holds the attribute, undefined for the core schema and the common attributes. */
  readonly extension: string | undefined;
  readonly attribute: AttributeDefinition;
  readonly sub: AttributeDefinition | undefined;
}

/** A whole schema extension of a resource. */
export interface ExtensionRef {
  readonly kind: "extension";
  readonly schema: SchemaDefinition;
}

interface Namespace {
  /** Lower-case URI with its colon. */
  readonly prefix: string;
  readonly extension: string | undefined;
  readonly attributes: ReadonlyMap<string, AttributeDefinition>;
}

/** A resource type ready for use. @throws TypeError on an attribute name that RFC 7643 §2.1 or an object forbids. */
export function defineResourceType(definition: ResourceTypeDefinition): ResourceType {
  const core: Namespace = {
    prefix: `${definition.schema.id.toLowerCase()}:`,
    extension: undefined,
    attributes: indexAttributes([...commonAttributes, ...definition.schema.attributes]),
  };
  const extensions = definition.extensions.map(({ schema }) => ({
    schema,
    prefix: `${schema.id.toLowerCase()}:`,
    extension: schema.id,
    attributes: indexAttributes(schema.attributes),
  }));
  const namespaces: readonly Namespace[] = [core, ...extensions];

  function findTarget(text: string): AttributeRef | ExtensionRef | undefined {
    const lower = text.toLowerCase();
    const whole = extensions.find(({ prefix }) => prefix === `${lower}:`);
    if (whole !== undefined) return { kind: "extension", schema: whole.schema };
    const namespace = namespaces.find(({ prefix }) => lower.startsWith(prefix));
    if (namespace === undefined) return findInNamespace(core, lower);
    return findInNamespace(namespace, lower.slice(namespace.prefix.length));
  }

  const { memberAttribute, derivedAttributes = [] } = definition;
  const members = memberAttribute === undefined ? undefined : core.attributes.get(memberAttribute.toLowerCase());
  const derived = derivedAttributes.flatMap((name) => core.attributes.get(name.toLowerCase()) ?? []);
  return { ...definition, findTarget, members, derived, returnedWhole: listReturnedWhole(definition) };
}

function isReturned(definition: AttributeDefinition): boolean {
  const { returned, subAttributes = [] } = definition;
  return returned !== "request" && !isHidden(definition) && subAttributes.every(isReturned);
}

function listReturnedWhole({ schema, extensions }: ResourceTypeDefinition): ReadonlySet<string> {
  const attributes = [...commonAttributes, ...schema.attributes].filter(isReturned).map(({ name }) => name);
  const whole = extensions.filter((extension) => extension.schema.attributes.every(isReturned));
  return new Set([...attributes, ...whole.map((extension) => extension.schema.id)]);
}

/** The sub-attribute of that name in any case. */
export function findSubAttribute(parent: AttributeDefinition, name: string): AttributeDefinition | undefined {
  const wanted = name.toLowerCase();
  return parent.subAttributes?.find((candidate) => candidate.name.toLowerCase() === wanted);
}

/** The name of a reference as a client would write it, for messages. */
export function toAttributeName({ extension, attribute, sub }: AttributeRef): string {
  const name = sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`;
  return extension === undefined ? name : `${extension}:${name}`;
}

function findInNamespace(namespace: Namespace, lower: string): AttributeRef | undefined {
  const [name = "", subName, ...rest] = lower.split(".");
  const attribute = namespace.attributes.get(name);
  if (attribute === undefined || rest.length > 0) return undefined;
  if (subName === undefined) return { kind: "attribute", extension: namespace.extension, attribute, sub: undefined };
  const sub = findSubAttribute(attribute, subName);
  return sub === undefined ? undefined : { kind: "attribute", extension: namespace.extension, attribute, sub };
}

function indexAttributes(attributes: readonly AttributeDefinition[]): ReadonlyMap<string, AttributeDefinition> {
  const index = new Map<string, AttributeDefinition>();
  for (const attribute of attributes) {
    for (const { name } of [attribute, ...(attribute.subAttributes ?? [])]) {
      // A name that objects inherit would be read from the prototype where a resource lacks it.
      if (!/^[A-Za-z$][\w$-]*$/.test(name) || name in Object.prototype) {
        throw new TypeError(`attribute name not allowed: ${name}`);
      }
    }
    index.set(attribute.name.toLowerCase(), attribute);
  }
  return index;
}
