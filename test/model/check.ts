/** The properties: what the endpoint shows against what the oracle says. */
import type { Effect, GroupAtEndpoint } from "./endpoint.ts";
import { NAMES } from "./oracle/policy.ts";
import { type Holders, listHolders } from "./oracle/world.ts";
import { type Play, part } from "./play.ts";
import type { RecordedSync } from "./record-watch.ts";
import { REPOSITORY } from "./system.ts";

const NOBODY: Holders = { must: new Set(), may: new Set() };

interface Place {
  readonly name: string;
  readonly entitlement: string;
  /** False for a group that gave its plain name up. */
  readonly isPlain: boolean;
}

function placeOf({ displayName }: GroupAtEndpoint): Place {
  const [, name = "", rest = ""] = displayName.split(":");
  const [entitlement = "", suffix] = rest.split(" ~");
  return { name, entitlement, isPlain: suffix === undefined };
}

/** Safety, at every write that takes effect: what it gives was allowed by some prefix of the history. */
export async function checkEffect(play: Play, { group, added, isRename }: Effect): Promise<void> {
  const { name, entitlement } = placeOf(group);
  await play.watch.endNarrowing(play.safety, name);
  // What an endpoint kept though it was told to remove it, or somebody put in, a rename carries along unknowing.
  const given = isRename && !play.needsLook ? group.members : added;
  for (const userId of given) {
    if (play.safety.wasAllowed(name, entitlement, userId) || play.meddled.has(`${group.id} ${userId}`)) continue;
    play.unsafe ??= `${nameOf(play, userId)} was given ${entitlement} on ${name}, which nothing allowed`;
  }
}

function nameOf({ world }: Play, userId: string): string {
  return world.users.get(userId)?.userName ?? userId;
}

export interface Recorded {
  readonly syncs: readonly RecordedSync[];
  /** True when nothing else happened while it ran, and the endpoint told the truth when it was read. */
  readonly isHonest: boolean;
}

/** What was recorded as verified is so. */
export async function checkRecorded(play: Play, { syncs, isHonest }: Recorded): Promise<void> {
  const internal = syncs.find(({ error }) => error?.code === "internal");
  if (internal !== undefined && !play.system.queue.isAway())
    part(play, `a run of ${internal.name} failed here, not at the endpoint`);
  if (play.broken !== null) part(play, play.broken);
  if (play.unsafe !== null) part(play, play.unsafe);
  if (!isHonest) return;
  // The revocation of one user is verified for that user alone.
  const last = new Map(syncs.filter(({ reason }) => reason !== "revocation").map((sync) => [sync.scopeId, sync]));
  const groups = await play.system.endpoint.listGroups();
  for (const sync of last.values()) if (sync.verdict === "verified") checkVerified(play, sync, groups);
}

function checkVerified(play: Play, sync: RecordedSync, groups: readonly GroupAtEndpoint[]): void {
  const life = play.world.lives.get(sync.name);
  if (life?.isDoubtful === true) return;
  const holders = sync.state === "active" ? listHolders(play.world, sync.name) : new Map<string, Holders>();
  // Two halves told apart are a rename to the registry, which narrows until the first verified run.
  const isNarrowed = play.safety.isNarrowed(sync.name) || life?.isUncertain === true;
  for (const group of groups) {
    const [, incarnation, entitlement = ""] = group.externalId?.split(":") ?? [];
    if (incarnation !== sync.incarnation) continue;
    const expected = holders.get(entitlement) ?? NOBODY;
    const difference = compare(play, group, isNarrowed ? { ...expected, must: new Set() } : expected);
    if (difference !== null) part(play, `${sync.name} was recorded as verified, but ${difference}`);
  }
}

/** Removals withheld by a guard (rule C1): whom they are about may stay. */
async function listWithheld({ system }: Play): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { rows } = await system.pool.query<{ place: string; member: string }>(
    `select incarnation_id || ':' || entitlement as place, member
     from withheld_removals join scopes on scopes.id = scope_id`,
  );
  const byPlace = Map.groupBy(rows, ({ place }) => place);
  return new Map(
    [...byPlace].map(([place, found]) => [place, new Set(found.map((row) => system.endpoint.userOf(row.member)))]),
  );
}

function addWithheld(
  withheld: ReadonlyMap<string, ReadonlySet<string>>,
  { externalId = "" }: GroupAtEndpoint,
  { must, may }: Holders,
): Holders {
  return { must, may: may.union(withheld.get(externalId.replace("branchward:", "")) ?? new Set()) };
}

function compare(play: Play, group: GroupAtEndpoint, { must, may }: Holders): string | null {
  const surplus = group.members.filter((userId) => !may.has(userId)).map((userId) => nameOf(play, userId));
  const missing = [...must].filter((userId) => !group.members.includes(userId)).map((userId) => nameOf(play, userId));
  if (surplus.length > 0) return `${surplus.join(", ")} may not be in ${group.displayName}`;
  return missing.length > 0 ? `${missing.join(", ")} must be in ${group.displayName}` : null;
}

/** The end: every branch has its groups with whom the rules say, and nobody is in any other. */
export async function checkFinal(play: Play): Promise<void> {
  const groups = await play.system.endpoint.listGroups();
  const plain = new Map(groups.filter((group) => placeOf(group).isPlain).map((group) => [group.displayName, group]));
  const withheld = await listWithheld(play);
  const expected = new Map<string, Holders>();
  for (const name of NAMES) {
    if (!play.history.names().has(name)) continue;
    for (const [entitlement, holders] of listHolders(play.world, name)) {
      expected.set(`${REPOSITORY}:${name}:${entitlement}`, holders);
    }
  }
  for (const [displayName, holders] of expected) {
    const group = plain.get(displayName);
    if (group === undefined) part(play, `at the end there is no group ${displayName}`);
    const difference = compare(play, group, addWithheld(withheld, group, holders));
    if (difference !== null) part(play, `at the end ${difference}`);
  }
  for (const group of groups) {
    if (expected.has(group.displayName) && plain.get(group.displayName) === group) continue;
    const difference = compare(play, group, addWithheld(withheld, group, NOBODY));
    if (difference !== null) part(play, `at the end ${difference}`);
  }
  await checkKept(play);
}

/** Nothing that was acknowledged is lost. */
async function checkKept(play: Play): Promise<void> {
  const { rows } = await play.system.pool.query<{ id: string }>("select id from deliveries");
  const kept = new Set(rows.map(({ id }) => id));
  const lost = play.acknowledged.filter((id) => !kept.has(id));
  if (lost.length > 0) part(play, `${lost.length} acknowledged deliveries are lost`);
}
