/** The end of a schedule: faults are over, and everything that is asked for comes to rest. */
import { setTimeout } from "node:timers/promises";
import { checkFinalCi } from "./check-ci.ts";
import { checkFinal } from "./check.ts";
import { part, pass, type Play } from "./play.ts";
import { resumeRun, runJob } from "./run-job.ts";

/** Far more than the retries of five rounds take. */
const MAX_ROUNDS = 80;
/** Far more than every scope, revocation and timer together. */
const MAX_JOBS = 100;
/** The sweeper's beat. */
const BEAT_MS = 5_000;
/** Timers further off are ends of grants: nobody waits for them. */
const HORIZON_MS = 6 * 60_000;

/** Ends the schedule and compares. @throws {Parting} */
export async function finish(play: Play): Promise<void> {
  const { system, history } = play;
  system.breaks.disarm();
  if (play.schedule.areResumed) while (play.standing.length > 0) await resumeRun(play, 0);
  else play.dead.push(...play.standing.splice(0));
  system.queue.setAway(false);
  await history.backfill();
  await comeToRest(play);
  if (play.needsLook) await audit(play);
  await checkFinal(play);
  await checkFinalCi(play);
  const writes = countWrites(play);
  const lookedAt = play.world.now;
  await lookAgain(play);
  if (countWrites(play) > writes) part(play, "at the end a look at what is as it ought to be wrote something");
  await checkFinal(play, lookedAt);
  await checkFinalCi(play);
}

function countWrites({ system }: Play): number {
  return system.endpoints.reduce((sum, endpoint) => sum + endpoint.countWrites(), 0);
}

async function audit(play: Play): Promise<void> {
  play.lines.push("(a round of the audit)");
  await play.system.audit();
  await comeToRest(play);
}

async function lookAgain(play: Play): Promise<void> {
  play.lines.push("(everything is looked at again)");
  await play.system.pool.query("update scopes set requested = requested + 1, requested_at = now(), reason = 'audit'");
  await comeToRest(play);
}

async function comeToRest(play: Play): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    await pass(play, BEAT_MS);
    await play.system.sweep();
    await runAll(play);
    const waitMs = await findWait(play);
    if (waitMs === null) return;
    if (waitMs > BEAT_MS) await pass(play, waitMs - BEAT_MS);
  }
  part(play, "at the end it does not come to rest");
}

async function runAll(play: Play): Promise<void> {
  for (let count = 0; count < MAX_JOBS; count += 1) {
    const job = play.system.queue.take(0);
    if (job === undefined) return;
    // Changes are read when no older transaction of the server is open, those of other databases too: real time lets them end.
    if (job.kind === "directory" && job.delayMs > 0) await setTimeout(job.delayMs);
    await runJob(play, job);
  }
  part(play, "at the end jobs ask for each other without a pause");
}

/** Milliseconds until something is to do; null when nothing is, or nothing but an approval. */
async function findWait({ system, world }: Play): Promise<number | null> {
  const { rows } = await system.pool.query<{ open: number; due: Date | null }>(
    `select count(*) filter (where requested > reconciled)::int as open,
       least(min(due_at), (
         select min(due_at) from revocations
         where done_at is null and last_error is distinct from 'too many users were deactivated at once: it waits for an approval'
       )) as due
     from scopes`,
  );
  const [found] = rows;
  if (found === undefined) return null;
  if (found.open > 0) return 0;
  const dueMs = found.due === null ? Infinity : found.due.getTime() - world.now;
  return dueMs > HORIZON_MS ? null : Math.max(0, dueMs);
}
