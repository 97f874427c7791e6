import { describe, expect, it } from "vitest";
import { change, createSimulation } from "./testing.ts";

const [x, y, z] = ["1", "2", "3"].map((digit) => digit.repeat(40)) as [string, string, string];
const at = (ms: number) => new Date(ms);

describe("creates, pushes and deletes", () => {
  it("takes a push to an unknown branch as its create (rule A3)", () => {
    const registry = createSimulation();
    const decision = registry.receive(0, { changes: [change("push", "main", { before: x, after: y })] });
    expect(decision.events).toMatchObject([{ kind: "create", name: "main", after: y }]);
    expect(registry.live("main")).toMatchObject({ state: "active", head: y, bornOf: "push" });
    expect(decision.touched).toEqual([registry.live("main")?.id]);
  });

  it("keeps a bookmark and a named branch of one name apart (rule A3)", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "stable", { after: x })] });
    registry.receive(1, { changes: [change("create", "stable", { refType: "bookmark", after: x })] });
    registry.receive(2, { changes: [change("delete", "stable", { refType: "bookmark", before: x })] });
    expect([...registry.rows.values()].map(({ refType, state }) => [refType, state])).toEqual([
      ["branch", "active"],
      ["bookmark", "deleted"],
    ]);
  });

  it("compares names byte for byte (rule A3)", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "Main", { after: x }), change("create", "main", { after: x })] });
    expect(registry.names()).toEqual(["Main", "main"]);
  });

  it("follows pushes and changes nothing for a repeated one", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    const push = { changes: [change("push", "main", { before: x, after: y })] };
    registry.receive(1, push);
    const rows = [...registry.rows.values()];
    const repeated = registry.receive(2, push);
    expect(repeated.events).toMatchObject([{ note: "repeated" }]);
    expect(repeated.touched).toEqual([]);
    expect([...registry.rows.values()]).toEqual(rows);
  });

  it("starts a new life for a branch created again, inheriting nothing", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    registry.receive(1, { changes: [change("delete", "main", { before: x })] });
    const decision = registry.receive(2, { changes: [change("create", "main", { after: x })] });
    expect(decision.renames).toEqual([]);
    expect([...registry.rows.values()]).toMatchObject([
      { state: "deleted", endedAt: at(1), mergedInto: null },
      { state: "active", bornAt: at(2), previousNames: [] },
    ]);
  });

  it("says that a moved branch left out something in between", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    const decision = registry.receive(1, { changes: [change("push", "main", { before: y, after: z })] });
    expect(decision.events).toMatchObject([{ kind: "push", note: "gap" }]);
    expect(registry.live("main")?.head).toBe(z);
  });
});

describe("rule A1: a client's refs are not the repository's", () => {
  it("loses nobody anything when alice deletes release/1.0 in her clone", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "release/1.0", { after: x })] });
    const decision = registry.receive(1, { site: "client", changes: [change("delete", "release/1.0", { before: x })] });
    expect(decision).toMatchObject({ incarnations: [], renames: [], touched: [] });
    expect(decision.events).toMatchObject([{ kind: "delete", note: "client-claim", incarnation: null }]);
  });
});

describe("rule A4: an end needs evidence", () => {
  it("keeps the new life when the first delete, without a revision, arrives again", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    registry.receive(1, { changes: [change("delete", "main", { before: x })] });
    registry.receive(2, { changes: [change("create", "main", { after: y })] });
    const decision = registry.receive(3, { changes: [change("delete", "main")] });
    expect(decision.events).toMatchObject([{ kind: "delete", note: "suspect" }]);
    expect(registry.live("main")).toMatchObject({ state: "active", suspect: true, head: y });
  });

  it("ends a suspect branch when the source confirms that the ref is gone, and clears one that is there", () => {
    const registry = createSimulation();
    for (const name of ["here", "gone"]) registry.receive(0, { changes: [change("create", name, { after: x })] });
    for (const name of ["here", "gone"]) registry.receive(1, { changes: [change("delete", name, { before: y })] });
    const decision = registry.receive(60_000, {
      sightings: [
        { refType: "branch", name: "gone", head: null },
        { refType: "branch", name: "here", head: x },
      ],
    });
    expect(decision.events).toMatchObject([{ kind: "delete", name: "gone" }]);
    expect(registry.live("gone")).toBeUndefined();
    expect(registry.live("here")?.suspect).toBe(false);
  });

  it("accepts an agent's delete of an unexpected revision when its snapshot shows the ref gone", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    registry.receive(1, {
      changes: [change("delete", "main", { before: y })],
      sightings: [{ refType: "branch", name: "main", head: null }],
    });
    expect(registry.live("main")).toBeUndefined();
  });

  it("ignores what the source's clock says is older than what is known", () => {
    const registry = createSimulation();
    registry.receive(0, { occurredAt: at(100), changes: [change("create", "main", { after: x })] });
    const decision = registry.receive(1, { occurredAt: at(50), changes: [change("delete", "main", { before: x })] });
    expect(decision.events).toMatchObject([{ note: "stale" }]);
    expect(registry.live("main")?.state).toBe("active");
  });

  it("takes every newer event as evidence of its time", () => {
    const registry = createSimulation();
    registry.receive(0, { occurredAt: at(10), changes: [change("create", "main", { after: x })] });
    registry.receive(1, { occurredAt: at(30), changes: [change("push", "main", { before: x, after: y })] });
    const decision = registry.receive(2, { occurredAt: at(20), changes: [change("delete", "main", { before: y })] });
    expect(decision.events).toMatchObject([{ note: "stale" }]);
    expect(registry.live("main")?.evidenceAt).toEqual(at(30));
  });

  it.each([
    ["clears a suspect branch by a push that the clock puts after", at(30), false],
    ["does not clear a suspect branch by a push of unknown time", null, true],
  ])("%s", (_, occurredAt, suspect) => {
    const registry = createSimulation();
    registry.receive(0, { occurredAt: at(10), changes: [change("create", "main", { after: x })] });
    registry.receive(1, { occurredAt: at(20), changes: [change("delete", "main", { before: z })] });
    registry.receive(2, { occurredAt, changes: [change("push", "main", { before: x, after: y })] });
    expect(registry.live("main")).toMatchObject({ head: y, suspect });
  });

  it("does not raise a branch from the dead by a push that is older than its delete", () => {
    for (const occurredAt of [at(50), null]) {
      const registry = createSimulation();
      registry.receive(0, { occurredAt: at(10), changes: [change("create", "main", { after: x })] });
      registry.receive(1, { occurredAt: at(90), changes: [change("delete", "main", { before: x })] });
      const decision = registry.receive(2, { occurredAt, changes: [change("push", "main", { before: y, after: x })] });
      expect(decision.events).toMatchObject([{ note: "stale" }]);
      expect(registry.names()).toEqual([]);
    }
  });

  it("tells the same whether a re-creation or the delete before it arrives first", () => {
    const events = [
      { occurredAt: at(20), changes: [change("delete", "main", { before: x })] },
      { occurredAt: at(30), changes: [change("create", "main", { after: y })] },
    ];
    for (const order of [events, events.toReversed()]) {
      const registry = createSimulation();
      registry.receive(0, { occurredAt: at(10), changes: [change("create", "main", { after: x })] });
      order.forEach((event, index) => registry.receive(index + 1, event));
      expect([...registry.rows.values()]).toMatchObject([
        { state: "deleted", head: x },
        { state: "active", head: y, suspect: false },
      ]);
    }
  });

  it("looks a branch up that is created although it is alive, where no clock decides", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    const decision = registry.receive(1, { changes: [change("create", "main", { after: y })] });
    expect(decision.events).toMatchObject([{ note: "suspect" }]);
    expect(registry.live("main")).toMatchObject({ head: x, suspect: true });
  });

  it("keeps the incarnation and reports a lineage break when a backfill finds another head", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    const decision = registry.receive(1, { sightings: [{ refType: "branch", name: "main", head: y }] });
    expect(decision.events).toMatchObject([{ kind: "push", before: x, after: y, note: "lineage-break" }]);
    expect(decision.touched).toEqual([registry.live("main")?.id]);
    expect(registry.rows.size).toBe(1);
  });

  it("creates what a backfill finds", () => {
    const registry = createSimulation();
    registry.receive(0, { sightings: [{ refType: "branch", name: "main", head: y }] });
    expect(registry.live("main")).toMatchObject({ head: y, bornOf: "sighting" });
  });
});

describe("GitHub's create and delete events, which carry no revision", () => {
  const hintedCreate = { changes: [change("create", "main")] };
  const create = { changes: [change("create", "main", { after: x })] };

  it.each([
    ["first", [hintedCreate, create]],
    ["last", [create, hintedCreate]],
  ])("make one branch when the hint comes %s", (_, order) => {
    const registry = createSimulation();
    order.forEach((event, index) => registry.receive(index, event));
    expect([...registry.rows.values()]).toMatchObject([{ name: "main", head: x, state: "active" }]);
  });

  it("make a delete that the push confirms, whichever comes first", () => {
    const hinted = { changes: [change("delete", "main")] };
    const deleted = { changes: [change("delete", "main", { before: x })] };
    for (const order of [
      [hinted, deleted],
      [deleted, hinted],
    ]) {
      const registry = createSimulation();
      registry.receive(0, create);
      order.forEach((event, index) => registry.receive(index + 1, event));
      expect([...registry.rows.values()]).toMatchObject([{ state: "deleted", suspect: false }]);
    }
  });

  it("do not begin a second life for the late twin of a create", () => {
    const registry = createSimulation();
    registry.receive(0, create);
    registry.receive(1, { changes: [change("delete", "main", { before: x })] });
    expect(registry.receive(2, hintedCreate).events).toMatchObject([{ note: "hint" }]);
    expect(registry.names()).toEqual([]);
  });

  it("begin a new life when the old one ended long ago", () => {
    const registry = createSimulation();
    registry.receive(0, create);
    registry.receive(1, { changes: [change("delete", "main", { before: x })] });
    registry.receive(30_002, hintedCreate);
    expect(registry.live("main")).toMatchObject({ id: "i2", head: null });
  });
});

describe("rule A7: a closed named branch", () => {
  it("keeps its incarnation when it is reopened", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "stable", { after: x })] });
    const closing = registry.receive(1, { changes: [change("push", "stable", { before: x, after: y, closed: true })] });
    expect(closing.events).toMatchObject([{ kind: "push", note: "closed" }]);
    expect(registry.live("stable")?.state).toBe("closed");
    const reopening = registry.receive(2, { changes: [change("create", "stable", { before: y, after: z })] });
    expect(reopening.events).toMatchObject([{ kind: "push", note: "reopened" }]);
    expect([...registry.rows.values()]).toMatchObject([{ state: "active", head: z }]);
  });
});

describe("a merge queue's group (rule D3)", () => {
  const queued = (head: string, isBaseSeen = true) => [{ refType: "branch" as const, name: "main", head, isBaseSeen }];

  it("answers for its base, which stays where it is", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    const main = registry.live("main");
    const decision = registry.receive(1, { queued: queued(y) });
    expect(decision).toMatchObject({
      events: [{ kind: "push", name: "main", before: null, after: y, note: "merge-queue", incarnation: main?.id }],
      incarnations: [],
      queued: [{ incarnation: main?.id, head: y }],
      touched: [main?.id],
    });
    expect(registry.live("main")).toEqual(main);
  });

  it("makes known a base that was not, at no head, which is half of no rename", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "dev/x", { after: x })] });
    registry.receive(1, { changes: [change("delete", "dev/x", { before: x })] });
    const decision = registry.receive(2, { queued: queued(y) });
    const main = registry.live("main");
    expect(main).toMatchObject({ head: null, previousNames: [], bornOf: "sighting" });
    expect(decision).toMatchObject({ events: [{ kind: "create", after: null }], renames: [] });
    expect(decision.queued).toEqual([{ incarnation: main?.id, head: y }]);
    const pushed = registry.receive(3, { changes: [change("push", "main", { before: z, after: x })] });
    expect(pushed.renames).toEqual([]);
    expect(registry.live("main")).toMatchObject({ id: main?.id, head: x });
  });

  it("makes nothing of a base that only a temporary ref's name tells of", () => {
    const registry = createSimulation();
    const decision = registry.receive(0, { queued: queued(y, false) });
    expect(decision).toMatchObject({ events: [{ note: "unknown", incarnation: null }], queued: [], touched: [] });
    expect(registry.names()).toEqual([]);
  });

  it("brings no base back that was just deleted", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    registry.receive(1, { changes: [change("delete", "main", { before: x })] });
    const decision = registry.receive(2, { queued: queued(y) });
    expect(decision).toMatchObject({ events: [{ note: "stale" }], queued: [] });
    expect(registry.names()).toEqual([]);
  });

  it("that only a client claims is nothing", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "main", { after: x })] });
    expect(registry.receive(1, { site: "client", queued: queued(y) })).toMatchObject({
      events: [],
      queued: [],
      touched: [],
    });
  });
});
