import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NormalizedDelivery, RefChange } from "../branch-event.ts";
import { change, createSimulation, type Simulation } from "./testing.ts";

const revision = fc.constantFrom("1".repeat(40), "2".repeat(40));
const name = fc.constantFrom("a", "b", "c");
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 4 });

const anyChange: fc.Arbitrary<RefChange> = fc
  .record({
    kind: fc.constantFrom("create" as const, "delete" as const, "push" as const),
    name,
    before: orNull(revision),
    after: orNull(revision),
    closed: fc.boolean(),
  })
  .map(({ kind, name: ref, before, after, closed }) =>
    change(kind, ref, {
      before: kind === "create" ? null : before,
      after: kind === "delete" ? null : after,
      closed: closed && kind === "push",
    }),
  );

const anyDelivery: fc.Arbitrary<Partial<NormalizedDelivery>> = fc.record({
  changes: fc.array(anyChange, { maxLength: 3 }),
  groupKey: orNull(fc.constantFrom("g", "h")),
  occurredAt: orNull(fc.integer({ min: 0, max: 50 }).map((ms) => new Date(ms))),
  actor: orNull(fc.constantFrom("alice", "bob").map((key) => ({ key, email: null, trust: "claim" as const }))),
  sightings: fc.array(fc.record({ refType: fc.constant("branch" as const), name, head: orNull(revision) }), {
    maxLength: 2,
  }),
  queued: fc.array(
    fc.record({ refType: fc.constant("branch" as const), name, head: revision, isBaseSeen: fc.boolean() }),
    { maxLength: 2 },
  ),
  renames: fc.array(fc.record({ refType: fc.constant("branch" as const), from: name, to: name }), { maxLength: 1 }),
});

const history = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), anyDelivery), { maxLength: 12 });

function replay(events: [number, Partial<NormalizedDelivery>][], check: (registry: Simulation) => void): Simulation {
  const registry = createSimulation();
  let now = 0;
  for (const [waitMs, event] of events) {
    now += waitMs;
    registry.receive(now, event);
    check(registry);
  }
  return registry;
}

describe("the registry under any history", () => {
  it("has at most one live incarnation of a name", () => {
    fc.assert(
      fc.property(history, (events) => {
        replay(events, (registry) => expect(registry.names()).toEqual([...new Set(registry.names())]));
      }),
      { numRuns: 500 },
    );
  });

  it("merges only into a live or later ended incarnation, never into one that is merged itself", () => {
    fc.assert(
      fc.property(history, (events) => {
        replay(events, ({ rows }) => {
          for (const row of rows.values()) {
            if (row.mergedInto === null) continue;
            expect(row.state).toBe("deleted");
            expect(rows.get(row.mergedInto)?.mergedInto).toBeNull();
          }
        });
      }),
      { numRuns: 500 },
    );
  });

  it("never lists the present name among the former ones, nor a former one twice", () => {
    fc.assert(
      fc.property(history, (events) => {
        replay(events, ({ rows }) => {
          for (const row of rows.values()) {
            expect(new Set([row.name, ...row.previousNames]).size).toBe(row.previousNames.length + 1);
          }
        });
      }),
      { numRuns: 500 },
    );
  });

  it("has ended exactly the incarnations that are deleted", () => {
    fc.assert(
      fc.property(history, (events) => {
        replay(events, ({ rows }) => {
          for (const row of rows.values()) expect(row.endedAt !== null).toBe(row.state === "deleted");
        });
      }),
      { numRuns: 500 },
    );
  });

  it("touches every incarnation that began, ended or moved, and no unknown one", () => {
    fc.assert(
      fc.property(history, (events) => {
        const registry = createSimulation();
        for (const [index, [, event]] of events.entries()) {
          const before = new Map(registry.rows);
          const decision = registry.receive(index, event);
          const moved = decision.incarnations.filter((row) => {
            const was = before.get(row.id);
            return was?.state !== row.state || was.head !== row.head || was.name !== row.name;
          });
          expect(decision.touched).toEqual(expect.arrayContaining(moved.map((row) => row.id)));
          for (const id of decision.touched) expect(registry.rows.has(id)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is the same after a repeated push", () => {
    fc.assert(
      fc.property(history, name, revision, (events, ref, after) => {
        const registry = replay(events, () => undefined);
        const push = { changes: [change("push", ref, { before: registry.live(ref)?.head ?? null, after })] };
        registry.receive(1_000_000, push);
        const rows = structuredClone([...registry.rows.values()]);
        const repeated = registry.receive(1_000_000, push);
        expect([...registry.rows.values()]).toEqual(rows);
        expect(repeated.touched).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a rename", () => {
  const bystanders = fc.uniqueArray(fc.constantFrom("c", "d", "e"), { maxLength: 3 });

  it("in one group gives the same result in any order and any split into deliveries", () => {
    const shape = fc.tuple(bystanders, fc.boolean(), fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(shape, ([others, isReversed, isSplit, isClocked]) => {
        const registry = createSimulation();
        const [x, other] = ["1".repeat(40), "2".repeat(40)];
        registry.receive(0, { changes: [change("create", "a", { after: x })] });
        for (const ref of others) registry.receive(1, { changes: [change("create", ref, { after: other })] });
        const halves = [change("delete", "a", { before: x }), change("create", "b", { after: x })];
        const ordered = isReversed ? halves.toReversed() : halves;
        const occurredAt = isClocked ? new Date(5) : null;
        const deliveries = isSplit ? ordered.map((half) => [half]) : [ordered];
        for (const [index, changes] of deliveries.entries())
          registry.receive(10 + index, { groupKey: "g", occurredAt, changes });
        expect(registry.live("b")).toMatchObject({ id: "i1", previousNames: ["a"], head: x, state: "active" });
        expect(registry.names()).toEqual(["b", ...others].toSorted());
      }),
    );
  });

  it("chain keeps one id and its former names, newest first", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 8 }), (path) => {
        const registry = createSimulation();
        const head = "1".repeat(40);
        const names = path.filter((ref, index) => ref !== path[index - 1]);
        registry.receive(0, { changes: [change("create", names[0] ?? "", { after: head })] });
        for (let at = 1; at < names.length; at++) {
          const halves = [
            change("delete", names[at - 1] ?? "", { before: head }),
            change("create", names[at] ?? "", { after: head }),
          ];
          registry.receive(at, { groupKey: `g${at}`, changes: halves });
        }
        const last = names.at(-1) ?? "";
        const former = [...new Set(names.toReversed())].filter((ref) => ref !== last);
        expect([...registry.rows.values()]).toMatchObject([{ name: last, previousNames: former }]);
      }),
    );
  });
});
