import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinBlock, splitBlock } from "./managed-block.ts";

describe("the bridge's lines in a file of others", () => {
  it("come last, and go again without a trace of theirs being lost", () => {
    const line = fc.string().map((text) => text.replaceAll(/[\n\r]/gu, ""));
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (theirs, ours) => {
        const text = theirs.map((each) => `${each}\n`).join("");
        const joined = joinBlock(text, ours);
        expect(splitBlock(joined)).toEqual({ block: ours, others: text });
        expect(joinBlock(splitBlock(joined).others, ours)).toBe(joined);
      }),
    );
  });

  it("move to the end again when somebody writes after them", () => {
    const joined = joinBlock("first\n", ["ours"]);
    const { others } = splitBlock(`${joined}later\n`);
    expect(others).toBe("first\nlater\n");
  });

  it("are not guessed at where a mark is gone or doubled", () => {
    const joined = joinBlock("", ["ours"]);
    const [begin = "", , end = ""] = joined.split("\n");
    for (const text of [joined.replace(begin, ""), joined.replace(end, ""), joined + joined])
      expect(() => splitBlock(text)).toThrow("damaged");
  });
});
