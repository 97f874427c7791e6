/** Runs one schedule against the code under test and the oracle. */
import { approve, putInForce } from "./approve.ts";
import { checkCi, createCiWatch, noteHead } from "./check-ci.ts";
import { checkEffect, checkRecorded, meddledKey } from "./check.ts";
import type { Command, Schedule } from "./commands.ts";
import { finish } from "./converge.ts";
import { createModelDirectory } from "./directory.ts";
import { createHistory } from "./history.ts";
import { POLICIES, toPolicyText } from "./oracle/policy.ts";
import { createRemovals } from "./oracle/removals.ts";
import { createSafety } from "./oracle/safety.ts";
import { checkOut, createWorld } from "./oracle/world.ts";
import { insist, mayBreak, part, pass, type Play } from "./play.ts";
import { createRecordWatch } from "./record-watch.ts";
import { killRun, letGo, resumeRun, runJob } from "./run-job.ts";
import type { ModelSystem } from "./system.ts";

/** Past any real time, so that no id or time of the machine is younger. */
const START_MS = Date.UTC(2030, 0, 1);

/** @returns the history, as it is told where code and rules part. @throws {Parting} where they do */
export async function runSchedule(system: ModelSystem, schedule: Schedule): Promise<readonly string[]> {
  const play = await begin(system, schedule);
  try {
    for (const command of schedule.commands) {
      await pass(play, 1);
      note(play);
      await apply(play, command);
      note(play);
      if (play.unsafe !== null) part(play, play.unsafe);
      if (play.broken !== null) part(play, play.broken);
    }
    await finish(play);
    return play.lines;
  } finally {
    // Whoever stands still ends with the schedule, and may not reach into the next.
    for (const run of [...play.standing, ...play.dead]) {
      letGo(play, run.name);
      await run.done;
    }
  }
}

function note({ safety, removals, world, system }: Play): void {
  safety.note(world);
  for (const { traits } of system.endpoints) removals?.note(world, safety, traits.name);
}

async function begin(system: ModelSystem, schedule: Schedule): Promise<Play> {
  await system.reset();
  await system.clock.set(START_MS);
  const world = createWorld(START_MS);
  const endpoints = system.endpoints.map(({ traits }) => traits.name);
  const safety = createSafety(endpoints);
  const lines: string[] = [];
  const acknowledged: string[] = [];
  const watch = createRecordWatch(system.pool);
  const history = createHistory({
    world,
    safety,
    hasClock: schedule.hasClock,
    deliver: async (meaning, key) =>
      void acknowledged.push(await insist({ system, lines }, () => system.deliver(meaning, key))),
    onRename: (name) => {
      const places = endpoints.map((endpoint) => ({ endpoint, name }));
      return watch.startNarrowing(
        safety,
        places.filter((place) => safety.isNarrowed(place)),
      );
    },
    note: (line) => void lines.push(line),
  });
  const play: Play = {
    system,
    schedule,
    world,
    safety,
    removals: system.setting.guards === null ? null : createRemovals(system.setting.guards),
    runs: { count: 0, startedAt: new Map() },
    watch,
    ci: createCiWatch(),
    history,
    lines,
    acknowledged,
    directory: createModelDirectory({ system, world, lines }),
    standing: [],
    dead: [],
    meddled: new Set(),
    needsLook: false,
    hasHidden: false,
    unsafe: null,
    broken: null,
  };
  for (const endpoint of system.endpoints) endpoint.reset((effect) => checkEffect(play, endpoint, effect));
  await play.directory.prepare();
  await activate(play, 0);
  return play;
}

async function activate(play: Play, index: number): Promise<void> {
  const policy = POLICIES[index];
  if (policy === undefined) return;
  const text = toPolicyText(policy, play.system.setting);
  const isActive = await insist(play, () => play.system.activate(text));
  play.lines.push(isActive ? `activate policy ${index}` : `policy ${index} waits for an approval`);
  if (isActive) putInForce(play, policy);
}

async function apply(play: Play, command: Command): Promise<void> {
  const { system, history, directory, lines } = play;
  switch (command.do) {
    case "create":
    case "push":
    case "delete":
    case "recreate":
    case "rename":
      return changeRefs(play, command);
    case "deliver":
      return history.deliverLate(command.index);
    case "claim":
      return history.claim(command.name);
    case "checkOut":
      return takeCheckout(play, command);
    case "activate":
      return activate(play, command.policy);
    case "pass":
      lines.push(`${command.ms} ms pass`);
      return pass(play, command.ms);
    case "run": {
      const job = system.queue.take(command.index);
      return job === undefined ? undefined : runJob(play, job, command.faults);
    }
    case "break":
      return system.breaks.arm(command.at);
    case "resume":
      return resumeRun(play, command.index);
    case "kill":
      return killRun(play, command.index);
    case "sweep":
    case "wipe":
    case "away":
    case "back":
      return changeQueue(play, command.do);
    case "audit":
      lines.push("a round of the audit");
      await mayBreak(play, () => system.audit());
      return checkRecorded(play, { syncs: [], isHonest: false, isBroken: false });
    case "approve":
      return approve(play, command);
    case "meddle":
      return meddle(play, command);
    case "drop":
      return drop(play, command);
    default:
      lines.push(Object.values(command).join(" "));
      await directory.apply(command);
  }
}

/** Until a run has looked, CI waits. */
async function changeRefs(play: Play, command: Parameters<Play["history"]["apply"]>[0]): Promise<void> {
  const name = command.do === "rename" ? command.to : command.name;
  const head = play.history.headOf(name);
  await play.history.apply(command);
  if (play.history.headOf(name) === head) return;
  noteHead(play, name);
  await checkCi(play, name);
}

async function changeQueue(play: Play, what: "sweep" | "wipe" | "away" | "back"): Promise<void> {
  play.lines.push(`the queue: ${what}`);
  const { queue } = play.system;
  if (what === "wipe") queue.wipe();
  else if (what === "sweep") await mayBreak(play, () => play.system.sweep());
  else queue.setAway(what === "away");
  await checkRecorded(play, { syncs: [], isHonest: false, isBroken: false });
}

/** A working copy says where it is; from whom the directory does not know, or no longer, it means nobody. */
async function takeCheckout(
  play: Play,
  { person, copy, name, agoMs }: Extract<Command, { do: "checkOut" }>,
): Promise<void> {
  const { world } = play;
  const startedAt = world.now - agoMs;
  play.lines.push(
    `${person} checks out ${name ?? "no branch"} in copy ${copy}${agoMs === 0 ? "" : `, ${agoMs} ms ago`}`,
  );
  const [userId = ""] = [...world.users].flatMap(([id, user]) => (user.userName === person && user.active ? [id] : []));
  checkOut(world, `copy-${copy}`, { userId, name, startedAt });
  play.safety.note(world);
  await play.history.checkOut({ actor: person, copy: `copy-${copy}`, name, occurredAt: new Date(startedAt) });
}

async function meddle(play: Play, command: Extract<Command, { do: "meddle" }>): Promise<void> {
  const { person, isMember } = command;
  const { directory, lines } = play;
  const found = await findGroup(play, command);
  const userId = directory.idOf(person);
  if (found === undefined || userId === undefined) return;
  const { endpoint, chosen } = found;
  const doing = isMember ? `puts ${person} into` : `takes ${person} out of`;
  lines.push(`somebody ${doing} ${chosen.displayName} at ${endpoint.traits.name}`);
  await endpoint.setMember(chosen.id, userId, isMember);
  play.needsLook = true;
  play.meddled.add(meddledKey(endpoint, chosen, userId));
}

async function drop(play: Play, command: Extract<Command, { do: "drop" }>): Promise<void> {
  const found = await findGroup(play, command);
  // Where drift is only reported it stays away.
  if (found === undefined || found.endpoint.traits.drift === "report") return;
  play.lines.push(`somebody deletes ${found.chosen.displayName} at ${found.endpoint.traits.name}`);
  await found.endpoint.deleteGroup(found.chosen.id);
  play.needsLook = true;
}

/** Nobody but Branchward writes groups of ours at the directory. */
async function findGroup({ system }: Play, at: { readonly endpoint: number; readonly group: number }) {
  const endpoint = system.endpoints[at.endpoint % system.endpoints.length];
  if (endpoint === undefined || endpoint.traits.isBuiltin) return undefined;
  const groups = await endpoint.listGroups();
  const chosen = groups[at.group % Math.max(1, groups.length)];
  return chosen === undefined ? undefined : { endpoint, chosen };
}
