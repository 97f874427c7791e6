import { describe, expect, it } from "vitest";
import { change, createSimulation } from "./testing.ts";

const [x, y] = ["1", "2"].map((digit) => digit.repeat(40)) as [string, string];
const actor = (key: string) => ({ key, email: null, trust: "claim" as const });
const at = (ms: number) => new Date(ms);

describe("rule A5: renames within one group", () => {
  const halves = [change("delete", "old", { before: x }), change("create", "new", { after: x })];

  it.each([
    ["delete first", halves],
    ["create first", halves.toReversed()],
  ])("are certain, %s", (_, changes) => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "old", { after: x })] });
    const decision = registry.receive(1, { groupKey: "g", changes });
    expect(decision.events).toMatchObject([
      { kind: "rename", name: "new", previousName: "old", before: x, after: x, note: null },
    ]);
    expect(decision.renames).toMatchObject([{ from: "old", to: "new", merged: null, revived: false }]);
    expect([...registry.rows.values()]).toMatchObject([
      { name: "new", previousNames: ["old"], state: "active", bornAt: at(0), endedAt: null },
    ]);
  });

  it.each([
    ["delete first", halves, true],
    ["create first", halves.toReversed(), false],
  ])("are found when the halves come in separate deliveries, %s", (_, order, revived) => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "old", { after: x })] });
    const [, second] = order.map((half, index) => registry.receive(index + 1, { groupKey: "g", changes: [half] }));
    expect(second?.renames).toMatchObject([{ incarnation: "i1", revived, merged: revived ? null : "i2" }]);
    expect(registry.names()).toEqual(["new"]);
    expect(registry.live("new")).toMatchObject({ id: "i1", previousNames: ["old"], head: x });
  });

  it("are not guessed when two branches stand on the revision", () => {
    const registry = createSimulation();
    registry.receive(0, {
      groupKey: "f",
      changes: [change("create", "a", { after: x }), change("create", "b", { after: x })],
    });
    const changes = [
      change("delete", "a", { before: x }),
      change("delete", "b", { before: x }),
      change("create", "c", { after: x }),
    ];
    const decision = registry.receive(1, { groupKey: "g", changes });
    expect(decision.events.map((event) => event.kind)).toEqual(["delete", "delete", "create"]);
    expect(decision.renames).toEqual([]);
  });

  it("are chosen by explicit evidence among what was observed, even with other revisions", () => {
    const registry = createSimulation();
    registry.receive(0, {
      groupKey: "f",
      changes: [change("create", "a", { after: x }), change("create", "b", { after: x })],
    });
    const decision = registry.receive(1, {
      groupKey: "g",
      changes: [
        change("delete", "a", { before: x }),
        change("delete", "b", { before: x }),
        change("create", "c", { after: y }),
      ],
      renames: [
        { refType: "branch", from: "b", to: "c" },
        { refType: "branch", from: "a", to: "never-seen" },
        { refType: "branch", from: "main", to: "c" },
      ],
    });
    expect(decision.renames).toMatchObject([{ incarnation: "i2", from: "b", to: "c" }]);
    expect(decision.events.map((event) => event.kind)).toEqual(["delete", "rename"]);
  });

  it("go back to an older name with the same incarnation", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "old", { after: x })] });
    registry.receive(1, { groupKey: "g", changes: halves });
    registry.receive(2, {
      groupKey: "h",
      changes: [change("delete", "new", { before: x }), change("create", "old", { after: x })],
    });
    expect([...registry.rows.values()]).toMatchObject([{ id: "i1", name: "old", previousNames: ["new"] }]);
  });

  it("do not pair a bookmark with a branch", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "old", { after: x })] });
    const decision = registry.receive(1, {
      groupKey: "g",
      changes: [change("delete", "old", { before: x }), change("create", "new", { refType: "bookmark", after: x })],
    });
    expect(decision.renames).toEqual([]);
  });

  it("leave a push of the new branch in the same delivery with the survivor", () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "old", { after: x })] });
    const decision = registry.receive(1, {
      groupKey: "g",
      changes: [...halves, change("push", "new", { before: x, after: x })],
    });
    expect(decision.events).toMatchObject([
      { kind: "rename", incarnation: "i1" },
      { incarnation: "i1", note: "repeated" },
    ]);
  });
});

describe("rule A5: renames across deliveries", () => {
  const deleted = (by: string | null = "alice") => ({
    actor: by === null ? null : actor(by),
    changes: [change("delete", "old", { before: x })],
  });
  const created = (by: string | null = "alice", name = "new") => ({
    actor: by === null ? null : actor(by),
    changes: [change("create", name, { after: x })],
  });
  const start = () => {
    const registry = createSimulation();
    registry.receive(0, { changes: [change("create", "old", { after: x })] });
    return registry;
  };

  it("revive the older incarnation when its delete came first", () => {
    const registry = start();
    registry.receive(60_000, deleted());
    const decision = registry.receive(61_000, created());
    expect(decision.renames).toMatchObject([{ incarnation: "i1", merged: null, revived: true }]);
    expect([...registry.rows.values()]).toMatchObject([{ id: "i1", name: "new", state: "active", endedBy: null }]);
  });

  it("merge the younger incarnation when its create came first", () => {
    const registry = start();
    registry.receive(60_000, created());
    const decision = registry.receive(61_000, deleted());
    expect(decision.renames).toMatchObject([{ incarnation: "i1", merged: "i2", revived: false }]);
    expect(decision.touched.toSorted()).toEqual(["i1", "i2"]);
    expect([...registry.rows.values()]).toMatchObject([
      { id: "i1", name: "new", state: "active" },
      { id: "i2", state: "deleted", mergedInto: "i1" },
    ]);
  });

  it.each([
    ["GitHub's hints first", ["hint new", "hint old", "push new", "push old"]],
    ["GitHub's hints last", ["push old", "push new", "hint old", "hint new"]],
    ["deletes first", ["hint old", "push old", "hint new", "push new"]],
    ["all mixed", ["push old", "hint new", "hint old", "push new"]],
  ])("are found with %s", (_, order) => {
    const changes = {
      "hint new": change("create", "new"),
      "hint old": change("delete", "old"),
      "push new": change("create", "new", { after: x }),
      "push old": change("delete", "old", { before: x }),
    } as Record<string, ReturnType<typeof change>>;
    const registry = start();
    order.forEach((key, index) =>
      registry.receive(60_000 + index, { actor: actor("alice"), changes: [changes[key] as never] }),
    );
    expect(registry.live("new")).toMatchObject({ id: "i1", previousNames: ["old"], head: x, suspect: false });
    expect(registry.names()).toEqual(["new"]);
  });

  it.each([
    ["another actor deleted it", deleted("bob"), 61_000],
    ["the window is over", deleted(), 90_001],
    ["the revision is another", { changes: [change("delete", "old", { before: y })] }, 61_000],
  ])("are not guessed when %s", (_, event, when) => {
    const registry = start();
    registry.receive(60_000, created());
    expect(registry.receive(when, event).renames).toEqual([]);
    expect(registry.live("new")?.id).toBe("i2");
  });

  it("need the same actor only where both halves name one", () => {
    const registry = start();
    registry.receive(60_000, created(null));
    expect(registry.receive(61_000, deleted()).renames).toHaveLength(1);
  });

  it("are not guessed among two creates", () => {
    const registry = start();
    registry.receive(60_000, created());
    registry.receive(60_001, created("alice", "newer"));
    expect(registry.receive(61_000, deleted()).renames).toEqual([]);
  });

  it("are not guessed among two deletes", () => {
    const registry = start();
    registry.receive(1, { changes: [change("create", "other", { after: x })] });
    registry.receive(60_000, { actor: actor("alice"), changes: [change("delete", "other", { before: x })] });
    registry.receive(60_001, deleted());
    expect(registry.receive(61_000, created()).renames).toEqual([]);
  });

  it("do not take a branch that was pushed to for one that was created", () => {
    const registry = start();
    registry.receive(60_000, deleted());
    const decision = registry.receive(61_000, { changes: [change("push", "main", { before: y, after: x })] });
    expect(decision.renames).toEqual([]);
  });

  it("do not take a branch pushed to before for the create half either", () => {
    const registry = start();
    registry.receive(60_000, { changes: [change("push", "main", { before: y, after: x })] });
    expect(registry.receive(61_000, deleted()).renames).toEqual([]);
  });

  it("do not lead to a branch that was there before the deleted one", () => {
    const registry = createSimulation();
    registry.receive(0, created());
    registry.receive(1_000, created("alice", "old"));
    expect(registry.receive(2_000, deleted()).renames).toEqual([]);
  });

  it("do not lead to a branch that was renamed itself: its create is spent", () => {
    const registry = start();
    registry.receive(60_000, created("alice", "first"));
    const again = [change("delete", "first", { before: x }), change("create", "second", { after: x })];
    expect(registry.receive(61_000, { groupKey: "g", changes: again }).renames).toHaveLength(1);
    expect(registry.receive(62_000, deleted()).renames).toEqual([]);
  });

  it("are not found later, when a rival has left the window", () => {
    const registry = start();
    registry.receive(60_000, created());
    registry.receive(75_000, created("alice", "newer"));
    registry.receive(76_000, deleted());
    const unrelated = registry.receive(91_000, { changes: [change("create", "other", { after: y })] });
    expect(unrelated.renames).toEqual([]);
  });

  it("do not take two branches of one push for a rename when one is deleted", () => {
    const registry = createSimulation();
    registry.receive(0, {
      groupKey: "g",
      changes: [change("create", "old", { after: x }), change("create", "new", { after: x })],
    });
    expect(registry.receive(1, deleted()).renames).toEqual([]);
  });
});
