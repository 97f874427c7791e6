import { ScimError } from "../error.ts";
import { maxFilterLength } from "./syntax.ts";

/** A token with its place, for messages. `word` is a name, operator, keyword or number. */
export type Token =
  | { readonly kind: "word"; readonly text: string; readonly at: number }
  | { readonly kind: "string"; readonly text: string; readonly at: number }
  | { readonly kind: "(" | ")" | "[" | "]" | "end"; readonly text: string; readonly at: number };

const wordUnit = /[\w$:.+-]/;

/** Splits a filter or path in one pass, each unit looked at once. @throws ScimError `scimType` on what no token begins with. */
export function tokenize(text: string, scimType: "invalidFilter" | "invalidPath"): readonly Token[] {
  if (text.length > maxFilterLength) {
    throw new ScimError(400, `longer than ${maxFilterLength} characters`, scimType);
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const unit = text.charAt(at);
    if (unit === " ") {
      at++;
    } else if (unit === "(" || unit === ")" || unit === "[" || unit === "]") {
      tokens.push({ kind: unit, text: unit, at: at++ });
    } else {
      const end = unit === '"' ? endOfString(text, at) : endOfWord(text, at);
      if (end === at) throw new ScimError(400, `unexpected character at ${at}`, scimType);
      const source = text.slice(at, end);
      tokens.push(
        unit === '"' ? { kind: "string", text: decode(source, at, scimType), at } : { kind: "word", text: source, at },
      );
      at = end;
    }
  }
  tokens.push({ kind: "end", text: "end", at });
  return tokens;
}

function endOfWord(text: string, start: number): number {
  let end = start;
  while (end < text.length && wordUnit.test(text.charAt(end))) end++;
  return end;
}

function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && text.charAt(end) !== '"') end += text.charAt(end) === "\\" ? 2 : 1;
  return end + 1;
}

function decode(source: string, at: number, scimType: "invalidFilter" | "invalidPath"): string {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (cause) {
    throw Object.assign(new ScimError(400, `string at ${at} is not a JSON string`, scimType), { cause });
  }
  // No stored value holds these (see `readValue`), and PostgreSQL refuses them even as parameters.
  if (typeof value !== "string" || !value.isWellFormed() || value.includes("\0")) {
    throw new ScimError(400, `string at ${at} holds a character that is not allowed`, scimType);
  }
  return value;
}
