/** Jobs as two workers would do them: one may stand still in the middle of a call while others go on. */
import { setImmediate } from "node:timers/promises";
import { AppError } from "@branchward/core";
import { checkCi, noteReached } from "./check-ci.ts";
import { checkRecorded } from "./check.ts";
import type { FaultAt } from "./endpoint.ts";
import { noteStruck, part, type Play } from "./play.ts";
import type { Job } from "./queue.ts";

const ATTEMPTS = 3;
const RUN = "run-";

/** Does the job until it ends, dies or stands still. */
export async function runJob(play: Play, job: Job, faults: readonly FaultAt[] = []): Promise<void> {
  const { system, watch } = play;
  play.runs.count += 1;
  const name = `${RUN}${play.runs.count}`;
  play.runs.startedAt.set(name, play.world.now);
  const told = faults.map(({ call, fault }) => `${fault} at call ${call}`);
  play.lines.push(`${name}: ${await describe(play, job)}${told.length === 0 ? "" : ` with ${told.join(", ")}`}`);
  for (const endpoint of system.endpoints) endpoint.script(name, faults);
  await watch.begin();
  const state = { hasEnded: false, isDead: false };
  const done = system.breaks
    .asProcess(() => perform(play, job, name))
    .then(({ isDead }) => {
      Object.assign(state, { hasEnded: true, isDead });
    });
  await Promise.race([done, ...system.endpoints.map((endpoint) => endpoint.paused(name))]);
  if (state.isDead || !state.hasEnded) await letOthersSettle(play);
  if (!state.hasEnded) {
    play.lines.push(`${name} stands still`);
    play.standing.push({ name, done });
    // The directory lets nobody write whose lease another has; elsewhere such a write is found by a look.
    if (system.endpoints.some(({ traits }) => !traits.isBuiltin)) play.needsLook = true;
  }
  await endStep(play, name, state.hasEnded && !state.isDead);
}

/** Lets a run that stands still go on. */
export async function resumeRun(play: Play, index: number): Promise<void> {
  const [run] = play.standing.splice(index % Math.max(1, play.standing.length), 1);
  if (run === undefined) return;
  play.lines.push(`${run.name} goes on`);
  play.runs.count += 1;
  await play.watch.begin();
  letGo(play, run.name);
  await run.done;
  await endStep(play, run.name, false);
}

export function letGo({ system }: Play, run: string): void {
  for (const endpoint of system.endpoints) endpoint.resume(run);
}

/** The worker of a run that stands still is gone; what it asked for last may have come to pass. */
export function killRun(play: Play, index: number): void {
  const [run] = play.standing.splice(index % Math.max(1, play.standing.length), 1);
  if (run === undefined) return;
  play.lines.push(`the worker of ${run.name} dies`);
  play.dead.push(run);
}

/** Turns of the loop in which nothing of a run moves: what was asked beside the call that waits has been answered by then. */
const QUIET_TURNS = 4;

/** What a run does beside the call that waits comes to its end. */
async function letOthersSettle({ system }: Play): Promise<void> {
  for (let quiet = 0; quiet < QUIET_TURNS; quiet += 1) {
    await setImmediate();
    const paused = system.endpoints.reduce((sum, endpoint) => sum + endpoint.countPaused(), 0);
    if (system.countConnections() > 0 || system.countCalls() > paused) quiet = -1;
  }
}

async function endStep(play: Play, run: string, isWhole: boolean): Promise<void> {
  const isBroken = noteStruck(play);
  if (isBroken && play.broken?.startsWith(FAILED) === true) play.broken = null;
  const struck = play.system.endpoints.flatMap((endpoint) => endpoint.takeStruck());
  if (struck.some((fault) => fault === "deaf" || fault === "stale")) play.needsLook = true;
  if (struck.some((fault) => fault === "deaf" || fault === "stale" || fault === "lag")) play.hasHidden = true;
  const { syncs, stolen } = await play.watch.end();
  const [thief] = stolen;
  if (thief !== undefined)
    part(play, `a run recorded ${thief.verdict} under token ${thief.token}, which another had taken`);
  const isHonest = isWhole && !struck.includes("stale") && !struck.includes("lag");
  await checkRecorded(play, { syncs, isHonest, isBroken });
  noteReached(play, Number(run.slice(RUN.length)), syncs);
  for (const each of new Set(syncs.map((sync) => sync.name))) await checkCi(play, each);
}

const FAILED = "a job failed";

async function perform(play: Play, job: Job, name: string): Promise<void> {
  try {
    await play.system.perform(job, name);
  } catch (error) {
    if ("attempt" in job && job.attempt < ATTEMPTS) {
      play.system.queue.add({ ...job, attempt: job.attempt + 1 });
    }
    // The queue being away fails a job with an error of its own.
    if (!(error instanceof AppError) && !play.system.queue.isAway()) play.broken ??= `${FAILED}: ${String(error)}`;
  }
}

async function describe(play: Play, job: Job): Promise<string> {
  if (job.kind === "directory") return "directory.changed";
  if (job.kind === "account") return `account of ${describeSubject(play, job.userId)}`;
  if (job.kind === "revocation") return `revoke ${job.subject.kind} ${describeSubject(play, job.subject.id)}`;
  const { rows } = await play.system.pool.query<{ place: string }>(
    "select name || ' at ' || endpoint as place from scopes join incarnations on incarnations.id = incarnation_id where scopes.id = $1",
    [job.scopeId],
  );
  return `${job.kind} ${rows[0]?.place ?? "nothing"}`;
}

function describeSubject({ world }: Play, id: string): string {
  return world.users.get(id)?.userName ?? id;
}
