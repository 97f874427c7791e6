import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createTurns } from "./turns.ts";

/** Work that ends when it is let go. */
function createWork(begun: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const work = (): Promise<void> => {
    begun.push(name);
    return promise;
  };
  return { work, end: resolve, fail: reject };
}

describe("turns at endpoints", () => {
  it("are so many at once, in the order in which they were asked for, also after one that failed", async () => {
    const begun: string[] = [];
    const take = createTurns(2);
    const works = ["a", "b", "c", "d"].map((name) => createWork(begun, name));
    const taken = works.map(({ work }) => take("slow", work));
    await setImmediate();
    expect(begun).toEqual(["a", "b"]);
    works[1]?.fail(new Error("refused"));
    await expect(taken[1]).rejects.toThrow("refused");
    await setImmediate();
    expect(begun).toEqual(["a", "b", "c"]);
    works[0]?.end();
    await setImmediate();
    expect(begun).toEqual(["a", "b", "c", "d"]);
    works.forEach(({ end }) => end());
    await Promise.allSettled(taken);
    const last = createWork(begun, "e");
    void take("slow", last.work);
    expect(begun.at(-1)).toBe("e");
    last.end();
  });

  it("do not come any more once the worker stops, but what has begun comes to its end", async () => {
    const begun: string[] = [];
    const stopping = new AbortController();
    const take = createTurns(1, stopping.signal);
    const [first, second] = ["first", "second"].map((name) => createWork(begun, name));
    const taken = [first, second].map((one) => take("slow", one?.work ?? (async () => undefined)));
    stopping.abort();
    first?.end();
    await taken[0];
    await expect(taken[1]).rejects.toMatchObject({ code: "stopping" });
    expect(begun).toEqual(["first"]);
  });

  it("of one endpoint wait for no other", async () => {
    const begun: string[] = [];
    const take = createTurns(1);
    const [slow, waiting, other] = ["slow", "waiting", "other"].map((name) => createWork(begun, name));
    void take("a", slow?.work ?? (async () => undefined));
    void take("a", waiting?.work ?? (async () => undefined));
    void take("b", other?.work ?? (async () => undefined));
    await setImmediate();
    expect(begun).toEqual(["slow", "other"]);
    for (const one of [slow, waiting, other]) one?.end();
  });
});
