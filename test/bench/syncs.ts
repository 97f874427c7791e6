/** The figures of the sync engine: from the event to the proof, in a burst, beside a slow endpoint, and for who leaves. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { endpointList } from "@branchward/core/api";
import { summarize } from "./figures.ts";
import { startSyncSystem, type SyncSystem } from "./sync-system.ts";

type Report = (name: string, figures: Readonly<Record<string, number>>, unit: string) => void;

export async function benchSyncs(directory: string, report: Report): Promise<void> {
  {
    await using system = await startSyncSystem(join(directory, "syncs"), { a: 5 });
    report("20 events/s, endpoint of 5 ms: 202 to verified, new branch", await benchEvents(system, "new"), "ms");
    report("20 events/s, endpoint of 5 ms: 202 to verified, push", await benchEvents(system, "known"), "ms");
    report("burst of 10,000 events over 100 branches", await benchBurst(system), "");
  }
  {
    await using system = await startSyncSystem(join(directory, "isolation"), { a: 5, b: 10_000 });
    report("beside an endpoint of 10 s per call, push on another", await benchIsolation(system), "ms");
  }
  await using system = await startSyncSystem(join(directory, "revocation"), { a: 0, b: 0, c: 0 });
  report("deactivation of who holds 1,000, endpoints of 20 ms, busy", await benchRevocation(system), "ms");
}

const RATE_MS = 50;

/** Sends `count` pushes, one every 50 ms whatever comes of them; the branch and the time of each 202. */
async function sendSteadily(
  system: SyncSystem,
  count: number,
  branchOf: (index: number) => string,
): Promise<ReadonlyMap<string, number>> {
  const accepted = new Map<string, number>();
  const sending: Promise<void>[] = [];
  const from = performance.now();
  for (let index = 0; index < count; index += 1) {
    await pause(Math.max(0, from + index * RATE_MS - performance.now()));
    const branch = branchOf(index);
    sending.push(system.push("a/web", branch).then((at) => void accepted.set(branch, at)));
  }
  await Promise.all(sending);
  return accepted;
}

/** Milliseconds from each 202 to the end of the first run that was asked for no earlier. */
async function measure(system: SyncSystem, accepted: ReadonlyMap<string, number>): Promise<readonly number[]> {
  const since = Math.min(...accepted.values()) - 1_000;
  for (let round = 0; round < 60; round += 1) {
    const syncs = (await system.listSyncs(since)).filter((sync) => sync.verdict === "verified");
    const times = [...accepted].flatMap(([branch, at]) => {
      // The 202 is written after the commit at which the run was asked for.
      const runs = syncs.filter((sync) => sync.branch === branch && new Date(sync.finishedAt).getTime() >= at - 20);
      const first = Math.min(...runs.map((sync) => new Date(sync.finishedAt).getTime()));
      return Number.isFinite(first) ? [Math.max(0, first - at)] : [];
    });
    if (times.length === accepted.size) return times;
    await pause(1_000);
  }
  throw new Error("not every push was verified within a minute");
}

const EVENTS = 300;

async function benchEvents(system: SyncSystem, kind: "new" | "known"): Promise<ReturnType<typeof summarize>> {
  const branches = Array.from({ length: EVENTS }, (_, index) => `${kind}/branch-${index}`);
  if (kind === "known") {
    for (const branch of branches) await system.push("a/web", branch);
    await waitForRest(system);
  }
  const accepted = await sendSteadily(system, EVENTS, (index) => branches[index] ?? "");
  return summarize(await measure(system, accepted));
}

const QUIET_MS = 3_000;

/** Until no run has ended for a while. */
async function waitForRest(system: SyncSystem): Promise<void> {
  for (let round = 0; round < 600; round += 1) {
    const [newest] = await system.listSyncs(Date.now() - QUIET_MS);
    if (newest === undefined) return;
    await pause(250);
  }
  throw new Error("the system did not come to rest within 150 s");
}

/** Until every branch has been looked at since it was asked for last: those that rest have had their look as well. */
async function waitUntilReached(system: SyncSystem): Promise<void> {
  for (let round = 0; round < 600; round += 1) {
    const { items } = endpointList.parse(await system.get("/v1/endpoints"));
    if (items.every(({ scopes }) => scopes.pending === 0)) return;
    await pause(250);
  }
  throw new Error("not every branch was looked at within 150 s");
}

const BURST = 10_000;
const BURST_BRANCHES = 100;
const SENDERS = 32;

async function benchBurst(system: SyncSystem): Promise<Readonly<Record<string, number>>> {
  const from = Date.now();
  const state = { next: 0 };
  const send = async (): Promise<void> => {
    while (state.next < BURST) {
      const index = state.next;
      state.next += 1;
      await system.push("a/burst", `burst/branch-${index % BURST_BRANCHES}`);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
  const ackedMs = Date.now() - from;
  await waitUntilReached(system);
  const syncs = (await system.listSyncs(from)).filter((sync) => sync.branch.startsWith("burst/"));
  const last = Math.max(...syncs.map((sync) => new Date(sync.finishedAt).getTime()));
  return { "acknowledged s": ackedMs / 1_000, "drained s": (last - from) / 1_000, reconciliations: syncs.length };
}

const ISOLATION_ROUNDS = 3;
const ISOLATION_EVENTS = 60;
const SLOW_BRANCHES = 12;

/** Blocks with and without work at the slow endpoint, in turns. */
async function benchIsolation(system: SyncSystem): Promise<Readonly<Record<string, number>>> {
  const slow = system.endpoints.get("b");
  const times = { alone: [] as number[], beside: [] as number[] };
  for (let round = 0; round < ISOLATION_ROUNDS; round += 1) {
    for (const side of ["alone", "beside"] as const) {
      slow?.setDelay(side === "beside" ? 10_000 : 0);
      if (side === "beside") {
        for (let index = 0; index < SLOW_BRANCHES; index += 1) await system.push("b/web", `slow-${round}-${index}`);
      }
      const accepted = await sendSteadily(system, ISOLATION_EVENTS, (index) => `${side}-${round}-${index}`);
      times[side].push(...(await measure(system, accepted)));
    }
  }
  const [alone, beside] = [summarize(times.alone), summarize(times.beside)];
  return {
    "alone p50": alone.p50,
    "beside p50": beside.p50,
    "p50 ratio": beside.p50 / alone.p50,
    "p99 ratio": beside.p99 / alone.p99,
  };
}

const HELD = 1_000;

async function benchRevocation(system: SyncSystem): Promise<Readonly<Record<string, number>>> {
  const names = [...system.endpoints.keys()];
  for (let index = 0; index < HELD; index += 1)
    await system.push(`${names[index % names.length] ?? ""}/web`, `held-${index}`);
  await waitForRest(system);
  const removals: number[] = [];
  for (const endpoint of system.endpoints.values()) {
    endpoint.setDelay(20);
    endpoint.onRemoval(() => void removals.push(Date.now()));
  }
  // Every endpoint has work: new branches come faster than they are made.
  const state = { isBusy: true };
  const keepBusy = async (): Promise<void> => {
    for (let index = 0; state.isBusy; index += 1) {
      for (const name of names) await system.push(`${name}/busy`, `busy-${index}`);
      await pause(20);
    }
  };
  const busy = keepBusy();
  await pause(2_000);
  const leaver = system.people.get("user-0") ?? "";
  await system.scim.patchUser(leaver, [{ op: "replace", path: "active", value: false }]);
  const from = Date.now();
  const allMs = await waitForRemovals(removals, from);
  state.isBusy = false;
  await busy;
  const syncs = (await system.listSyncs(from)).filter(
    (sync) => sync.reason === "revocation" && sync.verdict === "verified",
  );
  const last = Math.max(...syncs.map((sync) => new Date(sync.finishedAt).getTime()));
  return {
    "first removal": Math.min(...removals) - from,
    "last removal": allMs,
    "all verified": last - from,
    removals: removals.length,
    "revoking runs": syncs.length,
  };
}

async function waitForRemovals(removals: readonly number[], from: number): Promise<number> {
  const until = Date.now() + 60_000;
  while (removals.length < HELD && Date.now() < until) await pause(50);
  await pause(1_000);
  return Math.max(...removals) - from;
}
