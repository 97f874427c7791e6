import { ScimError } from "../error.ts";
import { isJsonArray, isJsonObject, ownValue, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
import type { Member } from "../store.ts";
import { readElement } from "./read-value.ts";

/** The members in a value: a list or one, of objects with `value` or of bare ids. @throws ScimError 400 invalidValue */
export function readMembers(definition: AttributeDefinition, value: JsonValue): readonly Member[] {
  const elements = isJsonArray(value) ? value : [value];
  return elements.map((element) => {
    const member = element === null ? undefined : readElement(definition, element);
    const id = isJsonObject(member) ? ownValue(member, "value") : undefined;
    if (!isJsonObject(member) || typeof id !== "string" || id === "") {
      throw new ScimError(400, `every value of ${definition.name} needs a value`, "invalidValue");
    }
    const type = ownValue(member, "type");
    return typeof type === "string" ? { value: id, type } : { value: id };
  });
}
