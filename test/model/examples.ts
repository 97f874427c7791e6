/** Histories that once parted from the rules, each made as short as it gets; they are run before any other. */
import type { Command, Schedule } from "./commands.ts";

function example(...commands: readonly Command[]): Schedule {
  return { hasClock: false, areResumed: false, commands };
}

export const EXAMPLES: readonly Schedule[] = [
  // A delivery that told of refs as seen, and of no change, had no effect.
  example({ do: "create", name: "main", like: null, telling: "lost" }),
  // The scope of a branch that was merged before it had a group was asked for without end.
  example(
    { do: "create", name: "users/cal/x", like: null, telling: "once" },
    { do: "rename", name: "users/cal/x", to: "main", form: "reversed", telling: "once" },
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
];
