/** One schedule being run: the code under test, the oracle beside it, and what happened so far. */
import type { CiWatch } from "./check-ci.ts";
import type { Schedule } from "./commands.ts";
import type { ModelDirectory } from "./directory.ts";
import type { History } from "./history.ts";
import type { Removals } from "./oracle/removals.ts";
import type { Safety } from "./oracle/safety.ts";
import type { World } from "./oracle/world.ts";
import type { RecordWatch } from "./record-watch.ts";
import type { ModelSystem } from "./system.ts";

/** Where code and rules part, with the history that led there. */
export class Parting extends Error {
  constructor(what: string, lines: readonly string[]) {
    super(`${what}\n\nafter\n${lines.map((line, index) => `  ${index + 1}. ${line}`).join("\n")}`);
    this.name = "Parting";
  }
}

/** A run that waits at a pause. */
export interface StandingRun {
  readonly name: string;
  readonly done: Promise<void>;
}

export interface Play {
  readonly system: ModelSystem;
  readonly schedule: Schedule;
  readonly world: World;
  readonly safety: Safety;
  /** Null where no guard matters. */
  readonly removals: Removals | null;
  readonly runs: { count: number; readonly startedAt: Map<string, number> };
  readonly directory: ModelDirectory;
  readonly history: History;
  readonly watch: RecordWatch;
  readonly ci: CiWatch;
  readonly lines: string[];
  readonly standing: StandingRun[];
  /** Runs whose worker died: they never go on. */
  readonly dead: StandingRun[];
  readonly acknowledged: string[];
  /** `endpoint group user` that somebody put in at an endpoint, or took out. */
  readonly meddled: Set<string>;
  /** True once only another look can mend: an endpoint hid something, a write came late, somebody meddled. */
  needsLook: boolean;
  /** True once an endpoint kept what it was told to remove, or showed less than it has. */
  hasHidden: boolean;
  /** The first thing given that nothing allowed. */
  unsafe: string | null;
  /** An error that no fault of the schedule explains. */
  broken: string | null;
}

/** @throws {Parting} */
export function part(play: Play, what: string): never {
  throw new Parting(what, play.lines);
}

/** Time goes by, for everybody. */
export async function pass({ world, system }: Play, ms: number): Promise<void> {
  world.now += ms;
  await system.clock.set(world.now);
}

type Broken = Pick<Play, "system" | "lines">;

/** Whether something broke since this was last asked; told with the history. */
export function noteStruck({ system, lines }: Broken): boolean {
  const struck = system.breaks.takeStruck();
  if (struck !== null) lines.push(`(broken: ${struck})`);
  return struck !== null;
}

/** Does as a process what comes round again should it break. @returns undefined where it broke */
export async function mayBreak<T>(play: Broken, doing: () => Promise<T>): Promise<T | undefined> {
  try {
    const ending = await play.system.breaks.asProcess(doing);
    noteStruck(play);
    return ending.isDead ? undefined : ending.value;
  } catch (error) {
    if (!noteStruck(play)) throw error;
    return undefined;
  }
}

/** Does what somebody asks for who had no answer where it broke, and asks again. */
export async function insist<T>(play: Broken, doing: () => Promise<T>): Promise<T> {
  const state = { value: undefined as { readonly it: T } | undefined };
  await mayBreak(play, async () => {
    state.value = { it: await doing() };
  });
  return state.value === undefined ? doing() : state.value.it;
}
