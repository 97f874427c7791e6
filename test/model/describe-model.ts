/** Random histories against the rules. `npm run test:model` runs 10,000; `MODEL_SCHEDULES`, `MODEL_SEED` and `MODEL_PATH` say otherwise. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { schedules } from "./commands.ts";
import { EXAMPLES } from "./examples.ts";
import { runSchedule } from "./run-schedule.ts";
import type { Setting } from "./setting.ts";
import { type ModelSystem, startModelSystem } from "./system.ts";

/** Over all settings. */
const SCHEDULES = Number(process.env["MODEL_SCHEDULES"] ?? 300);
/** The fewer histories of `npm test` are the same each time, so that it fails for what was changed. */
const SEED = process.env["MODEL_SEED"] ?? (SCHEDULES < 10_000 ? "1001" : undefined);
/** With the seed of a failure: that one history again. */
const PATH = process.env["MODEL_PATH"];
/** Long enough for a rename within a rename and what a crash leaves; a schedule takes some 200 ms. */
const MAX_COMMANDS = 30;
const SETTINGS = 6;
/** Of one schedule on a busy machine; a failure is made smaller by some dozens more. */
const SCHEDULE_MS = 3_000;
const SHRINKING_MS = 300_000;

/** Describes what holds for any history in this setting. */
export function describeModel(where: string, setting: Setting): void {
  describe(`any history of events, people, policies, faults and time, at ${where}`, () => {
    const context: { system: ModelSystem } = {} as never;
    beforeAll(async () => {
      vi.useFakeTimers({ toFake: ["Date"] });
      context.system = await startModelSystem(setting);
    });
    afterAll(async () => {
      vi.useRealTimers();
      await context.system[Symbol.asyncDispose]();
    });

    const numRuns = Math.ceil(SCHEDULES / SETTINGS);
    it(
      "never gives what nothing allowed, loses nothing, and ends with exactly what the rules say",
      async () => {
        const property = fc.asyncProperty(schedules(MAX_COMMANDS), async (schedule) => {
          await runSchedule(context.system, schedule);
        });
        const found = await fc.check(property, {
          // Examples are runs too.
          numRuns: numRuns + EXAMPLES.length,
          examples: EXAMPLES.map((each) => [each]),
          ...(SEED === undefined ? {} : { seed: Number(SEED) }),
          ...(PATH === undefined ? {} : { path: PATH }),
        });
        const told = found.failed
          ? `${String(found.errorInstance)}\n\nseed ${found.seed}, path ${found.counterexamplePath ?? ""}`
          : "";
        expect(told).toBe("");
      },
      (numRuns + EXAMPLES.length) * SCHEDULE_MS + SHRINKING_MS,
    );
  });
}
