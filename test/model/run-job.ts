/** Jobs as two workers would do them: one may stand still in the middle of a call while others go on. */
import { setImmediate } from "node:timers/promises";
import { AppError } from "@branchward/core";
import { checkRecorded } from "./check.ts";
import type { FaultAt } from "./endpoint.ts";
import { type Play, part } from "./play.ts";
import type { Job } from "./queue.ts";

const ATTEMPTS = 3;

/** Does the job until it ends or stands still. */
export async function runJob(play: Play, job: Job, faults: readonly FaultAt[]): Promise<void> {
  const { system, watch } = play;
  play.runs += 1;
  const name = `run-${play.runs}`;
  const told = faults.map(({ call, fault }) => `${fault} at call ${call}`).join(", ");
  play.lines.push(`${name}: ${await describe(play, job)}${told === "" ? "" : ` with ${told}`}`);
  system.endpoint.script(name, faults);
  await watch.begin();
  const state = { isDone: false };
  const done = perform(play, job, name).finally(() => {
    state.isDone = true;
  });
  await Promise.race([done, system.endpoint.paused(name)]);
  if (!state.isDone) {
    await letOthersSettle();
    play.lines.push(`${name} stands still`);
    play.standing.push({ name, done });
    play.needsLook = true;
  }
  await endStep(play, state.isDone);
}

/** Lets a run that stands still go on. */
export async function resumeRun(play: Play, index: number): Promise<void> {
  const [run] = play.standing.splice(index % Math.max(1, play.standing.length), 1);
  if (run === undefined) return;
  play.lines.push(`${run.name} goes on`);
  await play.watch.begin();
  play.system.endpoint.resume(run.name);
  await run.done;
  await endStep(play, false);
}

/** The worker of a run that stands still is gone; what it asked for last may have come to pass. */
export function killRun(play: Play, index: number): void {
  const [run] = play.standing.splice(index % Math.max(1, play.standing.length), 1);
  if (run === undefined) return;
  play.lines.push(`the worker of ${run.name} dies`);
  play.dead.push(run);
}

/** Calls beside the one that waits are answered at once; a few turns of the loop are enough for them. */
async function letOthersSettle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await setImmediate();
}

async function endStep(play: Play, isWhole: boolean): Promise<void> {
  const struck = play.system.endpoint.takeStruck();
  if (struck.some((fault) => fault === "deaf" || fault === "stale")) play.needsLook = true;
  const { syncs, stolen } = await play.watch.end();
  const [thief] = stolen;
  if (thief !== undefined)
    part(play, `a run recorded ${thief.verdict} under token ${thief.token}, which another had taken`);
  await checkRecorded(play, { syncs, isHonest: isWhole && !struck.includes("stale") });
}

async function perform(play: Play, job: Job, name: string): Promise<void> {
  try {
    await play.system.perform(job, name);
  } catch (error) {
    if ("attempt" in job && job.attempt < ATTEMPTS) {
      play.system.queue.add({ ...job, attempt: job.attempt + 1 });
    }
    // The queue being away fails a job with an error of its own.
    if (!(error instanceof AppError) && !play.system.queue.isAway()) play.broken ??= `a job failed: ${String(error)}`;
  }
}

async function describe(play: Play, job: Job): Promise<string> {
  if (job.kind === "directory") return "directory.changed";
  if (job.kind === "account") return `account of ${describeSubject(play, job.userId)}`;
  if (job.kind === "revocation") return `revoke ${job.subject.kind} ${describeSubject(play, job.subject.id)}`;
  const { rows } = await play.system.pool.query<{ name: string }>(
    "select name from scopes join incarnations on incarnations.id = incarnation_id where scopes.id = $1",
    [job.scopeId],
  );
  return `${job.kind} ${rows[0]?.name ?? "nothing"}`;
}

function describeSubject({ world }: Play, id: string): string {
  return world.users.get(id)?.userName ?? id;
}
