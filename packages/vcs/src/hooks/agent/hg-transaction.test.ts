import { describe, expect, it } from "vitest";
import { type HgHead, parseTransaction, toChanges } from "./hg-transaction.js";

const row = (rev: number, changes: Partial<HgHead> = {}): HgHead => ({
  rev,
  node: String(rev).padStart(40, "a"),
  branch: "default",
  topic: null,
  closed: false,
  isHead: true,
  born: 0,
  ...changes,
});
const toNode = (rev: number): string => row(rev).node;

describe("what a range of changesets did to named branches", () => {
  it("is closed when every head of the branch is", () => {
    const heads = [row(9, { closed: true }), row(5, { isHead: false })];
    expect(toChanges({ heads, start: 9 })).toMatchObject([
      { kind: "push", closed: true, after: toNode(9), before: toNode(5) },
    ]);
    expect(toChanges({ heads: [...heads, row(3)], start: 9 })).toMatchObject([{ closed: false, after: toNode(3) }]);
  });

  it("names the head that moved as the one before, not another one that stayed", () => {
    const heads = [row(9), row(7), row(5, { isHead: false })];
    expect(toChanges({ heads, start: 9 })).toMatchObject([{ before: toNode(5), after: toNode(9) }]);
  });

  it("is a create for a branch born in the range, and nothing for the branch it grew from", () => {
    const heads = [row(9, { branch: "x", born: 8 }), row(8, { branch: "x", born: 8, isHead: false }), row(7)];
    expect(toChanges({ heads, start: 8 })).toEqual([
      { kind: "create", refType: "branch", name: "x", before: null, after: toNode(9), forced: null, closed: false },
    ]);
  });

  it("is told of the topic where a changeset has one", () => {
    const heads = [row(9, { topic: "t" }), row(8, { isHead: false })];
    expect(toChanges({ heads, start: 9 })).toMatchObject([{ kind: "create", refType: "topic", name: "t" }]);
  });
});

describe("the lines that the hook script collects", () => {
  it("hold bookmarks with any name, and ranges", () => {
    const node = "b".repeat(40);
    const text = `bookmark - ${node} a b  c\nbookmark ${node} - changegroup x\nchangegroup ${node} ${node}\n`;
    expect(parseTransaction(text)).toEqual({
      bookmarks: [
        expect.objectContaining({ kind: "create", name: "a b  c", before: null, after: node }),
        expect.objectContaining({ kind: "delete", name: "changegroup x", before: node, after: null }),
      ],
      ranges: [{ first: node, last: node }],
    });
  });
});
