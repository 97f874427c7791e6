import { describe, expect, it } from "vitest";
import { readChanges } from "./git-changes.js";

const old = "1".repeat(40);
const next = "2".repeat(40);
const none = "0".repeat(40);

const read = (...parts: readonly (readonly string[])[]) =>
  readChanges(Buffer.from(parts.flatMap((lines) => lines.map((line) => `${line}\n`)).join(""))).map(
    ({ entitlement, branch }) => `${entitlement} ${branch}`,
  );

describe("what the hook script says of a push", () => {
  it("gives each branch the verb of its change", () => {
    expect(
      read(
        [`ref ${none} ${next} refs/heads/a`, "symbolic 1 "],
        [`ref ${old} ${next} refs/heads/b`, "symbolic 1 ", "ancestor 0"],
        [`ref ${old} ${next} refs/heads/c`, "symbolic 1 ", "ancestor 1"],
        [`ref ${old} ${none} refs/heads/d`, "symbolic 1 "],
        [`ref ${old} ${next} refs/tags/v1`, "symbolic 1 "],
        ["end"],
      ),
    ).toEqual(["create a", "push b", "force c", "delete d"]);
  });

  it("changes the branch, too, that a ref stands for, whatever that ref is", () => {
    expect(
      read(
        [`ref ${none} ${next} refs/heads/latest`, "symbolic 0 refs/heads/release/9"],
        [`ref ${old} ${next} refs/other/x`, "symbolic 0 refs/heads/x", "ancestor 0"],
        ["end"],
      ),
    ).toEqual(["create latest", "create release/9", "push x"]);
  });

  it("takes a history that cannot be followed for one that loses commits", () => {
    expect(read([`ref ${old} ${next} refs/heads/a`, "symbolic 1 ", "ancestor 128", "end"])).toEqual(["force a"]);
  });

  it("takes every character that git allows in a name", () => {
    const name = "größe,refs/tags/\u2028%s\\n";
    expect(read([`ref ${none} ${next} refs/heads/${name}`, "symbolic 1 ", "end"])).toEqual([`create ${name}`]);
  });

  it.each<[string, readonly string[], string]>([
    ["that ended early", [`ref ${none} ${next} refs/heads/a`, "symbolic 1 "], "not asked about every change"],
    ["that says nothing", [], "not asked about every change"],
    ["whose last name looks like its end", [`ref ${none} ${next} end`], "not asked about every change"],
    ["that goes on after its end", ["end", `ref ${none} ${next} refs/heads/a`], "not asked about every change"],
    ["with an end in its middle", ["end", "end"], "cannot read"],
    ["with a line that is no change", ["ref end", "symbolic 1 ", "end"], "cannot read"],
    ["that did not look for what a ref stands for", [`ref ${none} ${next} refs/heads/a`, "end"], "cannot read"],
    ["that did not look at history", [`ref ${old} ${next} refs/heads/a`, "symbolic 1 ", "end"], "not asked about a"],
    ["whose git failed", [`ref ${none} ${next} refs/heads/a`, "symbolic 127 ", "end"], "exit 127"],
    [
      "whose git was killed",
      [`ref ${old} ${next} refs/heads/a`, "symbolic 1 ", "ancestor 137", "end"],
      "ended by signal 9",
    ],
  ])("is refused from a script %s", (_, lines, message) => {
    expect(() => read(lines)).toThrow(message);
  });
});
