import type { Filter } from "../filter/bind.ts";
import type { JsonValue } from "../json.ts";
import type { SchemaDefinition } from "../schema/definitions.ts";
import type { AttributeRef } from "../schema/resource-type.ts";

/** An operation on one attribute or sub-attribute. */
export interface AttributeOperation {
  readonly kind: "attribute";
  readonly op: "add" | "remove" | "replace";
  readonly target: AttributeRef;
  /** Selects values of a multi-valued attribute. */
  readonly filter: Filter | undefined;
  /** Undefined only for `remove`. */
  readonly value: JsonValue | undefined;
  /** True where the target was a key of a path-less value: such a value may repeat what is read-only. */
  readonly implied: boolean;
}

/** The removal of a whole extension. */
interface ExtensionRemoval {
  readonly kind: "extension";
  readonly schema: SchemaDefinition;
}

/** One operation of a PATCH, bound to the schema. */
export type PatchOperation = AttributeOperation | ExtensionRemoval;
