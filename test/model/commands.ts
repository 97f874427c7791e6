/** What a schedule is made of, and how schedules are drawn. A command that makes no sense where it stands does nothing. */
import fc from "fast-check";
import { type BreakAt, BREAKS } from "./breaks.ts";
import { FAULTS, type FaultAt } from "./endpoint.ts";
import { NAMES, type Name, POLICIES } from "./oracle/policy.ts";

export const PEOPLE = ["bea", "cal", "dan", "robot"] as const;
export type Person = (typeof PEOPLE)[number];
export const TEAMS = ["engineering", "managers", "contractors"] as const;
export type Team = (typeof TEAMS)[number];

/**
 * How the source tells: `twice` under one id; `again`: once more later, under another id; `late`: after what follows;
 * `lost`: never.
 */
export type Telling = "once" | "twice" | "again" | "late" | "lost";

/** `group`: both halves in one delivery; `hint`: with evidence of a rename; `apart`: one delivery each; `reversed`: the create first. */
export type RenameForm = "group" | "hint" | "apart" | "reversed";

export type Command =
  | { readonly do: "create"; readonly name: Name; readonly like: Name | null; readonly telling: Telling }
  | { readonly do: "push" | "delete" | "recreate"; readonly name: Name; readonly telling: Telling }
  | {
      readonly do: "rename";
      readonly name: Name;
      readonly to: Name;
      readonly form: RenameForm;
      readonly telling: Telling;
    }
  | { readonly do: "deliver"; readonly index: number }
  | { readonly do: "claim"; readonly name: Name }
  | {
      readonly do: "checkOut";
      readonly person: Person;
      readonly copy: number;
      readonly name: Name | null;
      readonly agoMs: number;
    }
  | { readonly do: "activate"; readonly policy: number }
  | { readonly do: "join" | "leave"; readonly team: Team; readonly member: Person | "inner" }
  | { readonly do: "deactivate" | "reactivate" | "deleteUser" | "addUser" | "renameUser"; readonly person: Person }
  | { readonly do: "renameTeam" | "deleteTeam" | "addTeam"; readonly team: Team }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "run"; readonly index: number; readonly faults: readonly FaultAt[] }
  | { readonly do: "resume" | "kill"; readonly index: number }
  /** Whoever comes to that point next, a run or somebody who asks: receiver, directory, fan-out, worker, sweeper. */
  | { readonly do: "break"; readonly at: BreakAt }
  | { readonly do: "sweep" | "wipe" | "away" | "back" }
  | { readonly do: "audit" }
  /** By `okta`, who may have caused it, or another; `isOld`: a plan as it was shown once. */
  | { readonly do: "approve"; readonly index: number; readonly by: "boss" | "okta"; readonly isOld: boolean }
  | {
      readonly do: "meddle";
      readonly endpoint: number;
      readonly group: number;
      readonly person: Person;
      readonly isMember: boolean;
    }
  /** Somebody deletes a group at an endpoint, or a backup without it is restored there. */
  | { readonly do: "drop"; readonly endpoint: number; readonly group: number };

export interface Schedule {
  /** Whether the source tells when something happened. */
  readonly hasClock: boolean;
  /** Whether runs that stand still at the end go on, or never do. */
  readonly areResumed: boolean;
  readonly commands: readonly Command[];
}

const name = fc.constantFrom(...NAMES);
const person = fc.constantFrom(...PEOPLE);
const team = fc.constantFrom(...TEAMS);
const index = fc.nat(7);
const telling = fc.oneof(
  { weight: 12, arbitrary: fc.constant("once" as const) },
  { weight: 4, arbitrary: fc.constantFrom("twice" as const, "again" as const, "late" as const, "lost" as const) },
);
const faultAt: fc.Arbitrary<FaultAt> = fc.record({ call: fc.nat(14), fault: fc.constantFrom(...FAULTS) });
const faults = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(faultAt, { minLength: 1, maxLength: 2 }) },
);
/** A run has some ten points, a delivery two. */
const breakAt: fc.Arbitrary<BreakAt> = fc.record({ point: fc.nat(15), how: fc.constantFrom(...BREAKS) });
const passing = fc.constantFrom(900, 5_000, 20_000, 31_000, 61_000, 11 * 60_000, 61 * 60_000);

const ofServer: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("create"), name, like: fc.option(name, { freq: 5 }), telling }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("push", "delete", "recreate"), name, telling }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("rename"),
      name,
      to: name,
      form: fc.constantFrom("group", "group", "hint", "apart", "reversed"),
      telling,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("deliver"), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("claim"), name }) },
);

const ofDirectory: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("join", "join", "leave"),
      team,
      member: fc.oneof({ weight: 5, arbitrary: person }, { weight: 1, arbitrary: fc.constant("inner" as const) }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("deactivate", "reactivate"), person }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("deleteUser", "addUser", "renameUser"), person }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("renameTeam", "deleteTeam", "addTeam"), team }) },
);

const ofWorker: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("run"), index, faults }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("break"), at: breakAt }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("resume", "kill"), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("sweep", "wipe", "away", "back", "audit") }) },
);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 9, arbitrary: ofServer },
  { weight: 6, arbitrary: ofDirectory },
  { weight: 14, arbitrary: ofWorker },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("checkOut"),
      person,
      copy: fc.nat(2),
      name: fc.option(name, { freq: 6 }),
      agoMs: fc.constantFrom(0, 0, 5_000, 59 * 60_000, 2 * 3_600_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("activate"), policy: fc.nat(POLICIES.length - 1) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pass"), ms: passing }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("approve"),
      index,
      by: fc.constantFrom("boss", "boss", "okta"),
      isOld: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("meddle"),
      endpoint: fc.nat(1),
      group: fc.nat(5),
      person,
      isMember: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop"), endpoint: fc.nat(1), group: fc.nat(5) }) },
);

/** Schedules of at most so many commands. */
export function schedules(maxLength: number): fc.Arbitrary<Schedule> {
  return fc.record({
    hasClock: fc.boolean(),
    areResumed: fc.boolean(),
    commands: fc.array(command, { minLength: 3, maxLength, size: "max" }),
  });
}
