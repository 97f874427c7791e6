/** Attribute data types of RFC 7643 §2.3. */
export type AttributeType =
  | "string"
  | "boolean"
  | "decimal"
  | "integer"
  | "dateTime"
  | "binary"
  | "reference"
  | "complex";

/** An attribute with every characteristic of RFC 7643 §2.2 and §7. */
export interface AttributeDefinition {
  readonly name: string;
  readonly type: AttributeType;
  readonly multiValued: boolean;
  readonly description: string;
  readonly required: boolean;
  readonly caseExact: boolean;
  readonly mutability: "readOnly" | "readWrite" | "immutable" | "writeOnly";
  readonly returned: "always" | "never" | "default" | "request";
  readonly uniqueness: "none" | "server" | "global";
  readonly canonicalValues?: readonly string[];
  readonly referenceTypes?: readonly string[];
  readonly subAttributes?: readonly AttributeDefinition[];
}

/** Whether a value is never shown: what may only be written is not returned either (RFC 7643 §7). */
export function isHidden({ returned, mutability }: AttributeDefinition): boolean {
  return returned === "never" || mutability === "writeOnly";
}

/** A schema as served at `/Schemas` (RFC 7643 §7). */
export interface SchemaDefinition {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly attributes: readonly AttributeDefinition[];
}

/** What a schema author states of an attribute; the rest takes the defaults of RFC 7643 §2.2. */
export type AttributeSpecification = Pick<AttributeDefinition, "name" | "description"> &
  Partial<Omit<AttributeDefinition, "name" | "description" | "subAttributes">> & {
    readonly subAttributes?: readonly AttributeSpecification[];
  };

/** What a schema author states of a schema. */
export type SchemaSpecification = Omit<SchemaDefinition, "attributes"> & {
  readonly attributes: readonly AttributeSpecification[];
};

/** An attribute with the defaults of RFC 7643 §2.2 for everything not said. */
export function attribute({ subAttributes, ...specification }: AttributeSpecification): AttributeDefinition {
  return {
    type: "string",
    multiValued: false,
    required: false,
    caseExact: false,
    mutability: "readWrite",
    returned: "default",
    uniqueness: "none",
    ...specification,
    ...(subAttributes === undefined ? {} : { subAttributes: subAttributes.map(attribute) }),
  };
}

/** A schema whose attributes have the defaults for everything not said. */
export function defineSchema({ attributes, ...schema }: SchemaSpecification): SchemaDefinition {
  return { ...schema, attributes: attributes.map(attribute) };
}

/** A multi-valued complex attribute with the sub-attributes of RFC 7643 §2.4; `value` overrides those of its value. */
export function plural(
  name: string,
  description: string,
  value: Partial<AttributeSpecification> = {},
  canonicalTypes?: readonly string[],
): AttributeDefinition {
  const types = canonicalTypes === undefined ? {} : { canonicalValues: canonicalTypes };
  return attribute({
    name,
    description,
    type: "complex",
    multiValued: true,
    subAttributes: [
      attribute({ name: "value", description: "The value itself.", ...value }),
      attribute({ name: "display", description: "A human-readable name, for display only." }),
      attribute({ name: "type", description: "A label for the value's function.", ...types }),
      attribute({ name: "primary", description: "True for at most one value.", type: "boolean" }),
    ],
  });
}
