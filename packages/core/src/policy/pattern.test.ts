import fc from "fast-check";
import { minimatch } from "minimatch";
import { describe, expect, it } from "vitest";
import { bindPattern, compilePattern, matchesPattern, runMatch, type Pattern } from "./pattern.ts";

function compiled(text: string): Pattern {
  const result = compilePattern(text);
  if ("problem" in result) throw new Error(result.problem);
  return result.pattern;
}

function matches(text: string, name: string): boolean {
  return matchesPattern(compiled(text), name);
}

describe("branch patterns", () => {
  it.each([
    ["main", "main", true],
    ["main", "Main", false],
    ["main", "main2", false],
    ["release/*", "release/1.0", true],
    ["release/*", "release/a/b", false],
    ["release/**", "release/a", true],
    ["release/**", "release/a/b", true],
    ["release/**", "release", false],
    ["**", "main", true],
    ["**", "a/b/c", true],
    ["**", "a//b", true],
    ["*", "a/b", false],
    ["**/*", "main", true],
    ["**/x", "x", true],
    ["**/x", "a/b/x", true],
    ["**/x", "ax", false],
    ["a/**/b", "a/b", true],
    ["a/**/b", "a/x/y/b", true],
    ["**/a/**", "a", false],
    ["a**", "abc", true],
    ["a**", "a/b", false],
    ["v?", "v1", true],
    ["v?", "v", false],
    ["v?", "v/", false],
    ["v?", "v🚀", true],
    ["v[0-9]", "v7", true],
    ["v[!0-9]*", "vx", true],
    ["v[!0-9]*", "v7", false],
    ["v[abc]", "vb", true],
    ["[]]", "]", true],
    ["[!]]", "]", false],
    ["[a-]", "-", true],
    ["[", "[", true],
    ["a[", "a[", true],
    ["a[]a", "a[]a", true],
    ["[b", "b", false],
    ["*", ".hidden", true],
    ["**", ".a/.b", true],
    ["{a,b}", "a", false],
    ["{a,b}", "{a,b}", true],
    ["+(a)", "aa", false],
    ["+(a)", "+(a)", true],
    ["!main", "dev", false],
    ["!main", "!main", true],
    ["#1", "#1", true],
    ["a\\*", "a\\x", true],
    ["$5", "$5", true],
    ["dépôt/*", "dépôt/ü", true],
    ["e\u0301", "\u00e9", false],
  ])("%j on %j is %j", (text, name, expected) => {
    expect(matches(text, name)).toBe(expected);
  });

  it.each([
    "",
    "/a",
    "a/",
    "a//b",
    "[^a]",
    "[[:alpha:]]",
    "[z-a]",
    "${user}",
    "${user.}",
    "${branch}",
    "a".repeat(1025),
  ])("refuses %j", (text) => {
    expect(compilePattern(text)).toEqual({ problem: expect.any(String) });
  });

  it("agrees with minimatch wherever it does not differ on purpose", () => {
    const options = { dot: true, nobrace: true, noext: true, nonegate: true, nocomment: true };
    const letters = fc.constantFrom("a", "b", "c", "-");
    const piece = fc.oneof(
      { weight: 4, arbitrary: letters },
      fc.constantFrom("*", "**", "?", "[ab]", "[!ab]", "[a-b]", "[!a-b]", "[", "]"),
    );
    const segment = fc.oneof(
      { weight: 1, arbitrary: fc.constant("**") },
      { weight: 3, arbitrary: fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")) },
    );
    const pattern = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join("/"));
    const name = fc
      .array(fc.array(fc.oneof(letters, fc.constantFrom("[", "]")), { minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 5,
      })
      .map((segments) => segments.map((chars) => chars.join("")).join("/"));
    fc.assert(
      fc.property(pattern, name, (text, branch) => {
        const result = compilePattern(text);
        fc.pre("pattern" in result);
        expect(matchesPattern(result.pattern, branch)).toBe(minimatch(branch, text, options));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["many stars", "*a".repeat(10) + "b", "a".repeat(40)],
    ["a thousand characters of stars", "*a".repeat(500) + "b", "a".repeat(4_000)],
    ["many globstars", "**/a/".repeat(8) + "x", Array(40).fill("a").join("/")],
    ["a hundred globstars", "**/a/".repeat(100) + "x", Array(2_000).fill("a").join("/")],
    ["stars under globstars", "**/*a*a*b/".repeat(60) + "x", Array(200).fill("aaaaaaaa").join("/")],
    ["unclosed classes", "[a".repeat(500), "[a".repeat(500)],
    ["classes", "*[!b]".repeat(150) + "b", "a".repeat(2_000)],
  ])("needs at most pattern × name steps for %s", (_, text, name) => {
    const { steps } = runMatch(compiled(text), name);
    expect(steps).toBeLessThanOrEqual((text.length + 1) * (name.length + 1));
  });

  it("needs at most pattern × name steps for any input", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "*", "?", "/", "[", "]", "!"), minLength: 1, maxLength: 60 });
    const name = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 200 });
    fc.assert(
      fc.property(text, name, (source, branch) => {
        const result = compilePattern(source);
        fc.pre("pattern" in result);
        expect(runMatch(result.pattern, branch).steps).toBeLessThanOrEqual(
          (source.length + 1) * (branch.length + 1) * 2,
        );
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("${user.…} in patterns (rule B5)", () => {
  const own = compiled("dev/${user.userName}/**");
  const isOwn = (userName: string | undefined, name: string) => {
    const bound = bindPattern(own, () => userName);
    return bound !== undefined && matchesPattern(bound, name);
  };

  it("is inserted literally", () => {
    expect(isOwn("alice", "dev/alice/x")).toBe(true);
    expect(isOwn("alice", "dev/bob/x")).toBe(false);
    expect(isOwn("a.b", "dev/axb/x")).toBe(false);
  });

  it.each(["**", "*", "?", "[a]", "", ".", "..", "a/b", "/", "a\0", undefined])("owns nothing as %j", (userName) => {
    for (const name of [
      "dev/a/x",
      "dev/**/x",
      "dev/*/x",
      "dev/?/x",
      "dev/[a]/x",
      "dev//x",
      "dev/./x",
      "dev/../x",
      "dev/a/b/x",
    ]) {
      expect(isOwn(userName, name)).toBe(false);
    }
  });

  it("lists the attributes that it needs and matches any value while unbound", () => {
    const pattern = compiled("${user.team}-${user.userName}/${user.team}");
    expect(pattern.attributes).toEqual(["team", "userName"]);
    expect(matchesPattern(pattern, "web-alice/web")).toBe(true);
    expect(matchesPattern(pattern, "-alice/web")).toBe(false);
  });
});
