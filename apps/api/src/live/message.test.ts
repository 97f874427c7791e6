import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { comparePositions, formatPosition, parsePosition, toMessage } from "./message.ts";

const position = fc.record({
  xid: fc.bigInt({ min: 0n, max: 2n ** 62n }).map(String),
  rank: fc.integer({ min: 0, max: 4 }),
  seq: fc.nat(),
});

describe("positions in the stream", () => {
  it("come back as they were sent", () => {
    fc.assert(
      fc.property(position, (one) => {
        expect(parsePosition(formatPosition(one))).toEqual(one);
      }),
    );
  });

  it("are ordered by transaction, then type, then row", () => {
    const ordered = ["9.4.7", "10.0.0", "10.1.3", "10.1.20", "10.2.1", "9007199254740993.0.0"];
    const parsed = ordered.toReversed().flatMap((text) => parsePosition(text) ?? []);
    expect(parsed.toSorted(comparePositions).map(formatPosition)).toEqual(ordered);
  });

  it.each(["", "x", "1.2", "1.2.3.4", "-1.0.0", "1.10.0", "1.0.0\nid: 2", `${"9".repeat(20)}.0.0`])(
    "are nothing else: %j",
    (text) => expect(parsePosition(text)).toBeUndefined(),
  );

  it("ride on messages of one line of data each, whatever a name holds", () => {
    const event = { type: "branch", name: "a\n\ndata: b" };
    const text = toMessage({ xid: "1", rank: 0, seq: 0 }, event);
    expect(text.split("\n")).toHaveLength(5);
    expect(text.endsWith("\n\n")).toBe(true);
  });
});
