/** A few histories, broken at every one of their points in turn: what chance strikes seldom is struck here for certain. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Command } from "./commands.ts";
import { GIVEN, runs } from "./examples.ts";
import { runSchedule } from "./run-schedule.ts";
import { builtin, foreign, type Setting } from "./setting.ts";
import { type ModelSystem, startModelSystem } from "./system.ts";

/** Jobs are taken in the order in which they were asked for. */
const HISTORIES: Readonly<Record<string, readonly Command[]>> = {
  // What comes after would mend what one of these lost.
  "somebody comes to a branch": [...GIVEN, { do: "join", team: "engineering", member: "dan" }, ...runs(2)],
  "somebody leaves a branch": [...GIVEN, { do: "leave", team: "engineering", member: "bea" }, ...runs(2)],
  "people come to a branch and leave it": [
    ...GIVEN,
    { do: "join", team: "engineering", member: "dan" },
    ...runs(3),
    { do: "leave", team: "engineering", member: "bea" },
    { do: "deactivate", person: "cal" },
    ...runs(4),
    { do: "renameUser", person: "dan" },
    ...runs(3),
  ],
  "a branch is checked out, renamed and deleted": [
    { do: "create", name: "dev/a", like: null, telling: "once" },
    ...runs(2),
    { do: "checkOut", person: "bea", copy: 0, name: "dev/a", agoMs: 0 },
    ...runs(2),
    { do: "rename", name: "dev/a", to: "main", form: "group", telling: "once" },
    ...runs(3),
    { do: "delete", name: "main", telling: "once" },
    ...runs(3),
    { do: "pass", ms: 31_000 },
    { do: "sweep" },
    ...runs(2),
  ],
  "a branch is made anew under another policy": [
    ...GIVEN,
    { do: "activate", policy: 1 },
    ...runs(2),
    { do: "recreate", name: "main", telling: "once" },
    // The new branch comes first, and has to wait for the name.
    { do: "run", index: 1, faults: [] },
    ...runs(4),
    { do: "pass", ms: 31_000 },
    { do: "sweep" },
    ...runs(3),
  ],
};

/** In `npm test` a part: where a process dies after a commit, and what a cut or a call strikes here and there. */
const IS_WHOLE = Number(process.env["MODEL_SCHEDULES"] ?? 0) >= 10_000;
const STRIDES = IS_WHOLE ? { die: 1, cut: 1, call: 1 } : { die: 2, cut: 7, call: 2 };
const PATIENCE_MS = 300_000;

interface Strike {
  /** Of the lines that tell of a history, where it was struck. */
  readonly mark: string;
  readonly stride: number;
}

/** Starts the system before the tests around; what it returns runs a history with one thing more each time, and tells how often it struck. */
function useSystem(setting: Setting) {
  const context: { system: ModelSystem } = {} as never;
  beforeAll(async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    context.system = await startModelSystem(setting);
  });
  afterAll(async () => {
    vi.useRealTimers();
    await context.system[Symbol.asyncDispose]();
  });
  return async (toCommands: (point: number) => readonly Command[], { mark, stride }: Strike): Promise<number> => {
    for (let count = 0; ; count += 1) {
      const commands = toCommands(count * stride);
      const lines = await runSchedule(context.system, { hasClock: false, areResumed: false, commands });
      if (!lines.some((line) => line.includes(mark))) return count;
    }
  };
}

describe("a history broken at each of its points", () => {
  const strikeEach = useSystem(foreign);

  describe.each(Object.entries(HISTORIES))("where %s", (_, history) => {
    it.each([
      ["the connection is cut", "cut"],
      ["the process dies", "die"],
    ] as const)(
      "ends as the rules say, before or after whichever commit %s",
      async (_name, how) => {
        const toCommands = (point: number): readonly Command[] => [{ do: "break", at: { point, how } }, ...history];
        const struck = await strikeEach(toCommands, { mark: "(broken: ", stride: STRIDES[how] });
        expect(struck).toBeGreaterThan(history.length / STRIDES[how]);
      },
      PATIENCE_MS,
    );
  });

  const { "people come to a branch and leave it": peopleComeAndGo = [] } = HISTORIES;
  const back: readonly Command[] = [
    { do: "pass", ms: 61_000 },
    { do: "sweep" },
    ...runs(3),
    { do: "resume", index: 0 },
  ];
  it.each([
    ["dies", [{ do: "kill", index: 0 }]],
    ["stands still until another has taken its lease", back],
  ] as const)(
    "ends as the rules say, whichever call to an endpoint the worker %s at",
    async (_, then: readonly Command[]) => {
      let struck = 0;
      for (const [at, command] of peopleComeAndGo.entries()) {
        if (command.do !== "run") continue;
        const before = peopleComeAndGo.slice(0, at);
        const after = [...then, ...peopleComeAndGo.slice(at + 1)];
        for (const fault of ["pause-before", "pause-after"] as const)
          struck += await strikeEach((call) => [...before, { ...command, faults: [{ call, fault }] }, ...after], {
            mark: "stands still",
            stride: STRIDES.call,
          });
      }
      expect(struck).toBeGreaterThan(peopleComeAndGo.length / STRIDES.call);
    },
    PATIENCE_MS,
  );
});

describe("a worker that stands still at the built-in directory", () => {
  const strikeEach = useSystem(builtin);

  it(
    "puts nobody into the groups of a branch that is deleted meanwhile, whichever call it stands still at",
    async () => {
      const toCommands = (call: number): readonly Command[] => [
        { do: "create", name: "main", like: null, telling: "once" },
        { do: "run", index: 1, faults: [{ call, fault: "pause-before" }] },
        { do: "delete", name: "main", telling: "once" },
        ...runs(3),
        // No timer is left that would find what came too late.
        { do: "pass", ms: 31_000 },
        { do: "sweep" },
        ...runs(3),
        { do: "resume", index: 0 },
      ];
      expect(await strikeEach(toCommands, { mark: "stands still", stride: 1 })).toBeGreaterThan(3);
    },
    PATIENCE_MS,
  );
});
