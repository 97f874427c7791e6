/** RFC 7644 §3.4.2.2 and the paths of §3.5.2, by precedence climbing over tokens: linear, bounded, no backtracking. */
import { ScimError } from "../error.ts";
import { tokenize, type Token } from "./lexer.ts";
import {
  maxFilterDepth,
  maxFilterTerms,
  type CompareOperator,
  type FilterSyntax,
  type Literal,
  type PathSyntax,
} from "./syntax.ts";

const binding = { or: 1, and: 2 } as const;
const operators: ReadonlyMap<string, CompareOperator> = new Map(
  (["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] as const).map((operator) => [operator, operator]),
);
const namePattern = /^[A-Za-z$](?:[\w$:.-]*[\w$-])?$/;
const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Parses a filter. @throws ScimError 400 invalidFilter on anything that RFC 7644 does not allow, or over the limits. */
export function parseFilter(text: string): FilterSyntax {
  const parser = new Parser(text, "invalidFilter");
  const filter = parser.expression(0, 0);
  parser.expect("end");
  return filter;
}

/** Parses the path of a PATCH operation. @throws ScimError 400 invalidPath */
export function parsePath(text: string): PathSyntax {
  const parser = new Parser(text, "invalidPath");
  const path = parser.path();
  parser.expect("end");
  return path;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #scimType: "invalidFilter" | "invalidPath";
  #next = 0;
  #terms = 0;

  constructor(text: string, scimType: "invalidFilter" | "invalidPath") {
    this.#scimType = scimType;
    this.#tokens = tokenize(text, scimType);
  }

  expression(minimum: number, depth: number): FilterSyntax {
    let left = this.#term(depth);
    for (;;) {
      const word = this.#peekWord();
      if (word !== "and" && word !== "or") return left;
      if (binding[word] <= minimum) return left;
      this.#next++;
      left = { kind: word, left, right: this.expression(binding[word], depth) };
    }
  }

  path(): PathSyntax {
    const name = this.#name();
    if (this.#peek().kind !== "[") return { name, filter: undefined, sub: undefined };
    const filter = this.#bracketed(0);
    return { name, filter, sub: this.#subAfterBracket() };
  }

  expect(kind: Token["kind"]): void {
    if (this.#peek().kind !== kind) throw this.#unexpected();
    this.#next++;
  }

  #term(depth: number): FilterSyntax {
    if (depth > maxFilterDepth) throw this.#refuse(`nested deeper than ${maxFilterDepth}`);
    if (this.#peekWord() === "not" && this.#tokens[this.#next + 1]?.kind === "(") {
      this.#next++;
      return { kind: "not", term: this.#grouped(depth) };
    }
    if (this.#peek().kind === "(") return this.#grouped(depth);
    const name = this.#name();
    if (this.#peek().kind !== "[") return this.#comparison(name);
    const filter = this.#bracketed(depth);
    const sub = this.#subAfterBracket();
    // `emails[type eq "work"].value eq "x"` is no RFC 7644 filter, but Entra ID sends it.
    const whole: FilterSyntax =
      sub === undefined ? filter : { kind: "and", left: filter, right: this.#comparison(sub) };
    return { kind: "some", name, filter: whole };
  }

  #grouped(depth: number): FilterSyntax {
    this.expect("(");
    const inner = this.expression(0, depth + 1);
    this.expect(")");
    return inner;
  }

  #bracketed(depth: number): FilterSyntax {
    this.expect("[");
    const inner = this.expression(0, depth + 1);
    this.expect("]");
    return inner;
  }

  #subAfterBracket(): string | undefined {
    const token = this.#peek();
    if (token.kind !== "word" || !token.text.startsWith(".")) return undefined;
    this.#next++;
    const sub = token.text.slice(1);
    if (!namePattern.test(sub)) throw this.#refuse(`expected a sub-attribute at ${token.at}`);
    return sub;
  }

  #comparison(name: string): FilterSyntax {
    if (++this.#terms > maxFilterTerms) throw this.#refuse(`more than ${maxFilterTerms} comparisons`);
    const word = this.#peekWord();
    const operator = word === undefined ? undefined : operators.get(word);
    if (word !== "pr" && operator === undefined) throw this.#unexpected();
    this.#next++;
    return operator === undefined
      ? { kind: "present", name }
      : { kind: "compare", name, operator, literal: this.#literal() };
  }

  #literal(): Literal {
    const token = this.#peek();
    this.#next++;
    if (token.kind === "string") return token.text;
    if (token.kind !== "word") throw this.#refuse(`expected a value at ${token.at}`);
    // JSON writes these in lower case; Entra ID sends `True`.
    const word = token.text.toLowerCase();
    if (word === "true" || word === "false") return word === "true";
    if (word === "null") return null;
    if (!numberPattern.test(token.text)) throw this.#refuse(`expected a value at ${token.at}`);
    const number = Number(token.text);
    if (!Number.isFinite(number)) throw this.#refuse(`number out of range at ${token.at}`);
    return number;
  }

  #name(): string {
    const token = this.#peek();
    if (token.kind !== "word" || !namePattern.test(token.text)) throw this.#unexpected();
    this.#next++;
    return token.text;
  }

  #peek(): Token {
    const token = this.#tokens[this.#next] ?? this.#tokens.at(-1);
    if (token === undefined) throw this.#refuse("empty");
    return token;
  }

  #peekWord(): string | undefined {
    const token = this.#peek();
    return token.kind === "word" ? token.text.toLowerCase() : undefined;
  }

  #unexpected(): ScimError {
    const token = this.#peek();
    return this.#refuse(`unexpected ${token.kind === "end" ? "end" : "text"} at ${token.at}`);
  }

  #refuse(detail: string): ScimError {
    return new ScimError(400, `${this.#scimType === "invalidPath" ? "path" : "filter"}: ${detail}`, this.#scimType);
  }
}
