import { describe, expect, it } from "vitest";
import { mergeHead } from "./list.ts";

const item = (id: string, text = id) => ({ id, text });

describe("a list whose newest page was read again", () => {
  it("shows new items first and keeps the older pages", () => {
    const known = [
      { items: [item("c"), item("b")], nextCursor: "2" },
      { items: [item("a")], nextCursor: null },
    ];
    const merged = mergeHead(known, { items: [item("d"), item("c")], nextCursor: "3" });
    expect(merged?.map((page) => page.items.map(({ id }) => id))).toEqual([["d", "c", "b"], ["a"]]);
    expect(merged?.map((page) => page.nextCursor)).toEqual(["2", null]);
  });

  it("replaces items that changed where they stand, on every page", () => {
    const known = [
      { items: [item("c")], nextCursor: "2" },
      { items: [item("b"), item("a")], nextCursor: null },
    ];
    const merged = mergeHead(known, { items: [item("c", "C"), item("b", "B")], nextCursor: "1" });
    expect(merged?.flatMap((page) => page.items.map(({ text }) => text))).toEqual(["C", "B", "a"]);
  });

  it("is read anew when the newest page does not reach what was known", () => {
    const known = [{ items: [item("a")], nextCursor: null }];
    expect(mergeHead(known, { items: [item("d"), item("c")], nextCursor: "3" })).toBeNull();
  });

  it("takes the first items of a list that was empty", () => {
    const merged = mergeHead([{ items: [], nextCursor: null }], { items: [item("a")], nextCursor: null });
    expect(merged?.flatMap((page) => page.items)).toEqual([item("a")]);
  });
});
