/** What CI is told (rules D1, D2) against what was told and what runs reached, whatever the record says of either. */
import type { EndpointName } from "./setting.ts";
import { listEntitlements } from "./oracle/world.ts";
import { type Play, part } from "./play.ts";
import type { RecordedSync } from "./record-watch.ts";

/** What runs reached, and what they had to know. */
export interface CiWatch {
  /** Runs that had begun when the name's head was told, by name. */
  readonly toldAfter: Map<string, number>;
  /** The last run of a scope that recorded anything, by `endpoint incarnation`. */
  readonly reached: Map<string, { readonly run: number; readonly verdict: string }>;
}

export function createCiWatch(): CiWatch {
  return { toldAfter: new Map(), reached: new Map() };
}

/** A new head is told: only a run that begins from here on knows of it. */
export function noteHead({ ci, runs }: Play, name: string): void {
  ci.toldAfter.set(name, runs.count);
}

/**
 * What a step of a run recorded. What it recorded second of a scope it read anew, in this step. The revocation of one
 * user says nothing of a scope.
 */
export function noteReached({ ci, runs }: Play, run: number, syncs: readonly RecordedSync[]): void {
  const seen = new Set<string>();
  for (const { endpoint, incarnation, verdict, reason } of syncs) {
    const key = `${endpoint} ${incarnation}`;
    if (reason === "revocation") continue;
    ci.reached.set(key, { run: seen.has(key) ? runs.count : run, verdict });
    seen.add(key);
  }
}

/** Nobody is told `in_sync` for whom a run that knew of the head has not proved it, at each endpoint. */
export async function checkCi(play: Play, name: string): Promise<void> {
  const { ci, system, world } = play;
  const life = world.lives.get(name);
  if (life === undefined || !life.isAlive || life.isUncertain || life.isDoubtful) return;
  const { state, incarnation } = await system.askForCi(name);
  if (state !== "in_sync") return;
  for (const endpoint of listGoverned(play, name)) {
    const reached = ci.reached.get(`${endpoint} ${incarnation ?? ""}`);
    const told = `CI is told that ${name} is in sync, but at ${endpoint}`;
    if (reached === undefined) part(play, `${told} no run has ended`);
    if (reached.verdict !== "verified") part(play, `${told} the last run was ${reached.verdict}`);
    if (reached.run <= (ci.toldAfter.get(name) ?? 0)) part(play, `${told} run-${reached.run} did not know of its head`);
  }
}

/** In the end CI is told that all is well, where nothing waits for a person. */
export async function checkFinalCi(play: Play): Promise<void> {
  for (const name of play.history.names()) {
    const { state, incarnation } = await play.system.askForCi(name);
    const verdicts = listGoverned(play, name).map(
      (endpoint) => play.ci.reached.get(`${endpoint} ${incarnation ?? ""}`)?.verdict,
    );
    if (verdicts.every((verdict) => verdict === "verified") && state !== "in_sync")
      part(play, `at the end CI is told ${state} of ${name}`);
    const [bad] = verdicts.filter((verdict) => verdict !== "verified");
    if (bad !== undefined && state !== bad) part(play, `at the end CI is told ${state} of ${name}, which is ${bad}`);
  }
}

function listGoverned({ world, system }: Play, name: string): readonly EndpointName[] {
  const endpoints = system.endpoints.map(({ traits }) => traits.name);
  return endpoints.filter((endpoint) => listEntitlements(world, { endpoint, name }).length > 0);
}
