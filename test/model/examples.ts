/**
 * Histories that are run before any other: those that once parted from the rules, each made as short as it gets, and some
 * that chance draws seldom.
 */
import type { Command, Schedule } from "./commands.ts";

function example(...commands: readonly Command[]): Schedule {
  return { hasClock: false, areResumed: false, commands };
}

export function runs(count: number): readonly Command[] {
  return Array.from({ length: count }, () => ({ do: "run", index: 0, faults: [] }));
}

/** Bea and cal hold push on main, and a run has proved it. */
export const GIVEN: readonly Command[] = [{ do: "create", name: "main", like: null, telling: "once" }, ...runs(3)];

const SEEN_TO: readonly Command[] = runs(3);

export const EXAMPLES: readonly Schedule[] = [
  // A delivery that told of refs as seen, and of no change, had no effect.
  example({ do: "create", name: "main", like: null, telling: "lost" }),
  // The scope of a branch that was merged before it had a group was asked for without end.
  example(
    { do: "create", name: "users/cal/x", like: null, telling: "once" },
    { do: "rename", name: "users/cal/x", to: "main", form: "reversed", telling: "once" },
  ),
  // A group that an endpoint does not show yet was forgotten when its branch ended before, with everybody in it.
  example(
    { do: "create", name: "dev/a", like: null, telling: "once" },
    { do: "run", index: 1, faults: [] },
    { do: "recreate", name: "dev/a", telling: "lost" },
    { do: "run", index: 1, faults: [] },
    { do: "run", index: 2, faults: [] },
    { do: "activate", policy: 2 },
  ),
  // A branch that was merged was asked for without a pause while drift that is only reported stayed at the one it went into.
  example(
    { do: "create", name: "users/bea/x", like: null, telling: "twice" },
    { do: "create", name: "release/1", like: "users/bea/x", telling: "once" },
    { do: "delete", name: "users/bea/x", telling: "once" },
    { do: "run", index: 1, faults: [] },
    { do: "meddle", endpoint: 0, group: 0, person: "bea", isMember: true },
  ),
  // A working copy that is told again to be on a name stands on the branch that bears it now.
  example(
    { do: "create", name: "main", like: null, telling: "once" },
    { do: "checkOut", person: "bea", copy: 0, name: "main", agoMs: 0 },
    { do: "delete", name: "main", telling: "once" },
    { do: "pass", ms: 31_000 },
    { do: "create", name: "main", like: null, telling: "once" },
    { do: "checkOut", person: "bea", copy: 0, name: "main", agoMs: 0 },
  ),
  // A group whose making had no known outcome was forgotten when nobody wanted it any more.
  example(
    { do: "create", name: "dev/a", like: null, telling: "once" },
    { do: "run", index: 1, faults: [{ call: 7, fault: "429" }] },
    { do: "delete", name: "dev/a", telling: "once" },
    { do: "activate", policy: 2 },
  ),
  // Too many deactivations were let go by time alone, an hour later.
  example(
    ...GIVEN,
    { do: "deactivate", person: "bea" },
    { do: "deactivate", person: "cal" },
    { do: "pass", ms: 61 * 60_000 },
  ),
  // Too many were deactivated while no worker was there to see it.
  example(
    ...GIVEN,
    { do: "deactivate", person: "bea" },
    { do: "deactivate", person: "cal" },
    { do: "pass", ms: 61 * 60_000 },
    { do: "push", name: "main", telling: "once" },
    { do: "run", index: 1, faults: [] },
    ...runs(3),
  ),
  // A scope that was shown a stranger's group, late, asked for itself without a pause.
  example(
    { do: "create", name: "release/1", like: null, telling: "once" },
    { do: "run", index: 1, faults: [] },
    { do: "run", index: 0, faults: [] },
    { do: "recreate", name: "release/1", telling: "once" },
  ),
  // A worker that stood still comes back when another has taken its lease.
  example(
    { do: "create", name: "main", like: null, telling: "once" },
    ...runs(1),
    { do: "run", index: 0, faults: [{ call: 10, fault: "pause-before" }] },
    { do: "pass", ms: 61_000 },
    { do: "sweep" },
    ...runs(3),
    { do: "resume", index: 0 },
  ),
  // What ended with a branch that went on after all stood as outstanding, where drift is left as it is.
  example(...GIVEN, { do: "rename", name: "main", to: "dev/a", form: "apart", telling: "once" }, ...runs(4), {
    do: "meddle",
    endpoint: 0,
    group: 0,
    person: "dan",
    isMember: true,
  }),
  // CI waits for a push that came while a run was at work, and for a run that knew of it.
  example(
    ...GIVEN,
    { do: "leave", team: "engineering", member: "bea" },
    ...runs(1),
    { do: "run", index: 0, faults: [{ call: 1, fault: "pause-before" }] },
    { do: "push", name: "main", telling: "once" },
    { do: "resume", index: 0 },
  ),
  // CI is not told that all is well where an endpoint kept what it said that it removed.
  example(...GIVEN, { do: "leave", team: "engineering", member: "bea" }, ...runs(1), {
    do: "run",
    index: 0,
    faults: Array.from({ length: 12 }, (_, call) => ({ call, fault: "deaf" })),
  }),
  // One too many is deactivated within an hour; and one goes who left an hour after another.
  example(
    ...GIVEN,
    { do: "join", team: "engineering", member: "dan" },
    ...SEEN_TO,
    { do: "deactivate", person: "bea" },
    { do: "deactivate", person: "cal" },
    { do: "deactivate", person: "dan" },
    ...runs(6),
  ),
  example(
    ...GIVEN,
    { do: "leave", team: "engineering", member: "bea" },
    ...SEEN_TO,
    { do: "pass", ms: 61 * 60_000 },
    { do: "leave", team: "engineering", member: "cal" },
    ...SEEN_TO,
  ),
  // Whom a guard kept as one too many goes once the window no longer counts those before.
  example(
    ...GIVEN,
    { do: "leave", team: "engineering", member: "bea" },
    ...SEEN_TO,
    { do: "leave", team: "engineering", member: "cal" },
    ...SEEN_TO,
    { do: "pass", ms: 61 * 60_000 },
    { do: "push", name: "main", telling: "once" },
  ),
  // They do so by time alone.
  example(
    ...GIVEN,
    { do: "leave", team: "engineering", member: "bea" },
    ...SEEN_TO,
    { do: "leave", team: "engineering", member: "cal" },
    ...SEEN_TO,
    { do: "pass", ms: 61 * 60_000 },
  ),
  // Whoever is deleted was kept back by a run for want of a grant, before the revocation came; and stood there as withheld.
  example(...GIVEN, { do: "deleteUser", person: "bea" }, { do: "activate", policy: 1 }, { do: "activate", policy: 0 }),
  example(...GIVEN, { do: "leave", team: "engineering", member: "bea" }, ...SEEN_TO, {
    do: "deactivate",
    person: "bea",
  }),
  // Guards keep who leaves, until somebody approves it; then it goes.
  example(...GIVEN, { do: "leave", team: "engineering", member: "bea" }, ...SEEN_TO),
  example(...GIVEN, { do: "leave", team: "engineering", member: "bea" }, ...SEEN_TO, {
    do: "approve",
    index: 0,
    by: "boss",
    isOld: false,
  }),
  // A plan that has changed since it was shown is not approved.
  example(
    ...GIVEN,
    { do: "leave", team: "engineering", member: "bea" },
    ...SEEN_TO,
    { do: "leave", team: "engineering", member: "cal" },
    ...SEEN_TO,
    { do: "approve", index: 0, by: "boss", isOld: true },
  ),
  // One too many is deactivated, and goes with the branch to a name that gives no less.
  example(
    ...GIVEN,
    { do: "deactivate", person: "bea" },
    ...runs(5),
    { do: "deactivate", person: "cal" },
    ...runs(5),
    { do: "rename", name: "main", to: "dev/a", form: "group", telling: "twice" },
    ...runs(5),
  ),
  // So they do where they go before anybody saw it, and a run is asked for by time alone.
  example(
    { do: "deleteUser", person: "bea" },
    { do: "create", name: "main", like: null, telling: "once" },
    ...runs(2),
    { do: "deactivate", person: "cal" },
    { do: "rename", name: "main", to: "dev/a", form: "group", telling: "twice" },
  ),
  // Not to one that gives them less.
  example(
    ...GIVEN,
    { do: "deactivate", person: "bea" },
    ...runs(5),
    { do: "deactivate", person: "cal" },
    ...runs(5),
    { do: "rename", name: "main", to: "release/1", form: "group", telling: "once" },
    ...runs(5),
  ),
  // Nobody approves what is their own doing.
  example(
    ...GIVEN,
    { do: "deactivate", person: "bea" },
    { do: "deactivate", person: "cal" },
    ...runs(5),
    { do: "approve", index: 0, by: "okta", isOld: false },
    { do: "approve", index: 0, by: "boss", isOld: false },
  ),
  // Whoever was in a group that went away at an endpoint stood in the ledger for ever, where the run before had not read right.
  example(
    ...GIVEN,
    { do: "leave", team: "engineering", member: "bea" },
    ...runs(1),
    { do: "run", index: 0, faults: Array.from({ length: 12 }, (_, call) => ({ call, fault: "deaf" })) },
    { do: "drop", endpoint: 0, group: 1 },
    { do: "drop", endpoint: 0, group: 0 },
    { do: "delete", name: "main", telling: "once" },
    ...runs(3),
  ),
];
