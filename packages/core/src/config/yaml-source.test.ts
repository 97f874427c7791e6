import { describe, expect, it } from "vitest";
import { readYaml } from "./yaml-source.ts";

/** Its problems as `line:column message`. */
function complaints(text: string): readonly string[] {
  const read = readYaml(text, "branchward.yaml");
  return "problems" in read ? read.problems.map(({ line, column, message }) => `${line}:${column} ${message}`) : [];
}

const decoded = (bytes: Buffer) => bytes.toString("utf8");

describe("a file in another encoding", () => {
  const german = "policy: []\nbots: [{ user: m\u00FCller }]\n";

  it("is no file: what is there would be read as another name", () => {
    expect(complaints(german)).toEqual([]);
    expect(complaints(decoded(Buffer.from(german, "latin1")))).toEqual([
      "2:17 is not UTF-8 here: save the file as UTF-8",
    ]);
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(german, "utf16le")]);
    expect(complaints(decoded(utf16))).toEqual(["1:1 is not UTF-8 here: save the file as UTF-8"]);
  });

  it("is read on where the record has it already", () => {
    const read = readYaml(decoded(Buffer.from(german, "latin1")), "branchward.yaml", { isStored: true });
    expect(read).toMatchObject({ source: { value: { bots: [{ user: "m\uFFFDller" }] } } });
  });

  it("is told where it holds NUL, which no version could be kept with", () => {
    expect(complaints("policy: []\n# \0\n")).toEqual(["2:3 holds the character NUL"]);
  });

  it("may begin with a byte order mark", () => {
    expect(complaints(`\uFEFF${german}`)).toEqual([]);
  });
});

describe("a fault of YAML", () => {
  it.each([
    ["a: []\n---\nb: []", "2:1 a second document begins here; the file is one"],
    ["branches: [*]", "1:12 * at the beginning of a value names an anchor: put a pattern in quotes"],
    ["branches: [**/x]", "1:12 * at the beginning of a value names an anchor: put a pattern in quotes"],
  ])("of %j is told in the words of a policy", (text, expected) => {
    expect(complaints(text)).toContain(expected);
  });
});
