/** How a SCIM user is named by the native system. */
import { childOf, choiceField, type ConfigurationNode, type Reader, textField } from "@branchward/core";
import {
  type AttributeRef,
  createUserType,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
  ScimError,
} from "@branchward/scim";

/** Where an account's name is taken from. */
export interface AccountNaming {
  /** As SCIM writes it: `userName`, `externalId`, `emails.value`, `urn:…:User:employeeNumber`. */
  readonly attribute: string;
  /** `local` takes what stands before the `@`. */
  readonly part: "whole" | "local";
  readonly case: "keep" | "lower";
}

/** Names that begin so are the bridge's own: none of them can log in. */
export const RESERVED_PREFIX = "branchward-";
/** Stands where a list must not be empty. Nobody has this name. */
export const NOBODY = `${RESERVED_PREFIX}nobody`;

const userType = createUserType();

/** The `account` of a section; left out, the `userName` as it is. */
export function readAccountNaming(reader: Reader, section: ConfigurationNode): AccountNaming {
  const child = childOf(section, "account");
  const node = child.value === undefined ? { ...child, value: {} } : child;
  const fields = reader.readFields(node, {
    attribute: textField.default("userName"),
    part: choiceField(["whole", "local"]).default("whole"),
    case: choiceField(["keep", "lower"]).default("keep"),
  });
  const { attribute = "userName", part = "whole" } = fields;
  if (findAttribute(attribute) === undefined)
    reader.report([...node.path, "attribute"], "is not an attribute of a SCIM user that holds one text");
  return { attribute, part, case: fields.case ?? "keep" };
}

/** The account's name. @throws ScimError 400 invalidValue saying which character cannot be, and what to configure */
export function toAccountName(naming: AccountNaming, attributes: JsonObject): string {
  const ref = findAttribute(naming.attribute);
  const value = ref === undefined ? undefined : findValue(ref, attributes);
  if (value === undefined) throw refuse(`${naming.attribute} is needed: the account is named by it`);
  const part = naming.part === "local" ? (value.split("@", 1)[0] ?? "") : value;
  const name = naming.case === "lower" ? part.toLowerCase() : part;
  const problem = findNameProblem(name);
  if (problem !== undefined) throw refuse(`${naming.attribute} makes no account name: ${problem}`);
  return name;
}

/** Why a name cannot be an account's; undefined when it can. */
export function findNameProblem(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name.length > 64) return "it has more than 64 characters";
  const character = /[^A-Za-z0-9_.+-]/u.exec(name)?.[0];
  if (character !== undefined) {
    const shown = `${JSON.stringify(character)} (U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")})`;
    return `${shown} cannot be in one; letters without accents, digits and _ . + - can`;
  }
  if (!/^[A-Za-z0-9_]/u.test(name)) return "it must begin with a letter, a digit or _";
  return name.toLowerCase().startsWith(RESERVED_PREFIX)
    ? `names that begin ${RESERVED_PREFIX} are reserved`
    : undefined;
}

function findAttribute(text: string): AttributeRef | undefined {
  const ref = userType.findTarget(text);
  if (ref?.kind !== "attribute") return undefined;
  const { type, returned } = ref.sub ?? ref.attribute;
  return type === "string" && returned !== "never" ? ref : undefined;
}

/** The value, of several the primary or first one. */
function findValue({ extension, attribute, sub }: AttributeRef, attributes: JsonObject): string | undefined {
  const holder = extension === undefined ? attributes : ownValue(attributes, extension);
  const held = isJsonObject(holder) ? ownValue(holder, attribute.name) : undefined;
  const values: readonly (JsonValue | undefined)[] = Array.isArray(held) ? held : [held];
  const value = values.find((each) => isJsonObject(each) && each["primary"] === true) ?? values[0];
  const text = sub !== undefined && isJsonObject(value) ? ownValue(value, sub.name) : value;
  return typeof text === "string" ? text : undefined;
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
