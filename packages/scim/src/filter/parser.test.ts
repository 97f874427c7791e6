import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ScimError } from "../error.ts";
import { parseFilter, parsePath } from "./parser.ts";
import { arbitraryFilter, arbitraryTerm, printFilter } from "./testing.ts";

function refusal(run: () => unknown): string | undefined {
  try {
    run();
    return "accepted";
  } catch (error) {
    return error instanceof ScimError && error.status === 400 ? error.scimType : String(error);
  }
}

const compare = (name: string, operator: string, literal: unknown): object => ({
  kind: "compare",
  name,
  operator,
  literal,
});

describe("parseFilter", () => {
  it.each([
    ['userName eq "bjensen"', compare("userName", "eq", "bjensen")],
    ['name.familyName CO "O\'Malley"', compare("name.familyName", "co", "O'Malley")],
    ['userName eq "bj\\"en\\\\sen\\u00e9"', compare("userName", "eq", 'bj"en\\sené')],
    ["active eq TRUE", compare("active", "eq", true)],
    ["active eq false", compare("active", "eq", false)],
    ["externalId eq null", compare("externalId", "eq", null)],
    ["count gt -1.5e3", compare("count", "gt", -1500)],
    ["title pr", { kind: "present", name: "title" }],
    [
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "x"',
      compare("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "eq", "x"),
    ],
    [
      'emails[type eq "work" and value co "@x"]',
      {
        kind: "some",
        name: "emails",
        filter: { kind: "and", left: compare("type", "eq", "work"), right: compare("value", "co", "@x") },
      },
    ],
    ["not (title pr)", { kind: "not", term: { kind: "present", name: "title" } }],
    ["not eq 1", compare("not", "eq", 1)],
  ])("reads %s", (text, filter) => {
    expect(parseFilter(text)).toEqual(filter);
  });

  it("binds and more tightly than or, and parentheses more tightly than both", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => ({ kind: "present", name }));
    expect(parseFilter("a pr or b pr and c pr")).toEqual({
      kind: "or",
      left: a,
      right: { kind: "and", left: b, right: c },
    });
    expect(parseFilter("a pr and b pr or c pr")).toEqual({
      kind: "or",
      left: { kind: "and", left: a, right: b },
      right: c,
    });
    expect(parseFilter("a pr or b pr or c pr")).toEqual({
      kind: "or",
      left: { kind: "or", left: a, right: b },
      right: c,
    });
    expect(parseFilter("(a pr or b pr) and c pr")).toEqual({
      kind: "and",
      left: { kind: "or", left: a, right: b },
      right: c,
    });
  });

  it("takes the selection of a value and a comparison of its part, as Entra ID sends them", () => {
    expect(parseFilter('emails[type eq "work"].value eq "x"')).toEqual(
      parseFilter('emails[type eq "work" and value eq "x"]'),
    );
  });

  it.each([
    "",
    " ",
    "userName",
    "userName eq",
    'userName eq "x" and',
    'userName eq "x" or or title pr',
    'and userName eq "x"',
    "userName eq bjensen",
    "userName eq 'x'",
    'userName eq "x',
    'userName eq "\\x"',
    'userName eq "\\"',
    'userName eq "\\u0000"',
    'userName eq "\\ud800"',
    'userName like "x"',
    "count eq 01",
    "count eq 1e999",
    'userName eq "x" title pr',
    "(userName pr",
    "userName pr)",
    "()",
    "not userName pr",
    "not",
    "emails[type pr",
    "emails[]",
    "emails[type pr].",
    "emails[type pr]..value pr",
    'emails.[type eq "x"]',
    "1a pr",
    "a\u00e9 pr",
    "userName\tpr",
    "{} pr",
  ])("refuses %j", (text) => {
    expect(refusal(() => parseFilter(text))).toBe("invalidFilter");
  });

  it.each([
    ["parentheses", "(".repeat(100_000)],
    ["escapes", `userName eq "${"\\a".repeat(100_000)}`],
    ["escapes within the length", `userName eq "${"\\a".repeat(1000)}`],
    ["terms", Array.from({ length: 10_000 }, () => "a pr").join(" or ")],
    ["terms within the length", Array.from({ length: 65 }, () => "a pr").join(" or ")],
    ["depth", `${"(".repeat(1000)}a pr${")".repeat(1000)}`],
    ["depth within the length", `${"(".repeat(17)}a pr${")".repeat(17)}`],
    ["depth by not", `${"not (".repeat(17)}a pr${")".repeat(17)}`],
    ["depth by values", `${"a[".repeat(17)}a pr${"]".repeat(17)}`],
    ["spaces", `a pr${" ".repeat(100_000)}`],
  ])("refuses hostile %s", (_, text) => {
    expect(refusal(() => parseFilter(text))).toBe("invalidFilter");
  });

  it("accepts what is just within the limits", () => {
    expect(() => parseFilter(`${"(".repeat(16)}a pr${")".repeat(16)}`)).not.toThrow();
    expect(() => parseFilter(Array.from({ length: 64 }, () => "a pr").join(" or "))).not.toThrow();
  });

  it("reads back every filter that can be written", () => {
    fc.assert(
      fc.property(arbitraryFilter(arbitraryTerm(["userName", "name.givenName", "urn:x:y:2.0:Z:a.b"])), (filter) => {
        expect(parseFilter(printFilter(filter))).toEqual(filter);
      }),
    );
  });

  it("answers any text with a filter or invalidFilter", () => {
    const pieces = [
      "a",
      " ",
      "eq",
      "and",
      "or",
      "not",
      "(",
      ")",
      "[",
      "]",
      '"',
      "\\",
      ".",
      "1",
      "true",
      "pr",
      "\u0000",
      "é",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces)), (parts) => {
        expect(["accepted", "invalidFilter"]).toContain(refusal(() => parseFilter(parts.join(""))));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("parsePath", () => {
  it("reads names, selections and their parts", () => {
    expect(parsePath("name.familyName")).toEqual({ name: "name.familyName", filter: undefined, sub: undefined });
    expect(parsePath('emails[type eq "work"].value')).toEqual({
      name: "emails",
      filter: compare("type", "eq", "work"),
      sub: "value",
    });
    expect(parsePath('members[value eq "x"]').sub).toBeUndefined();
  });

  it.each(["", "a b", "emails[", "emails[type pr]value", "a[b pr][c pr]", "(a)", '"a"', "a]", "a."])(
    "refuses %j",
    (text) => {
      expect(refusal(() => parsePath(text))).toBe("invalidPath");
    },
  );

  it("refuses hostile length", () => {
    expect(refusal(() => parsePath("(".repeat(100_000)))).toBe("invalidPath");
  });
});
