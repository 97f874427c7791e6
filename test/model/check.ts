/** The properties: what the endpoint shows against what the oracle says. */
import type { Effect, GroupAtEndpoint, ModelEndpoint } from "./endpoint.ts";
import { HOUR_MS, NAMES } from "./oracle/policy.ts";
import { type Holders, isDenied, listHolders, type Place } from "./oracle/world.ts";
import { type Play, part } from "./play.ts";
import type { RecordedSync } from "./record-watch.ts";
import { REPOSITORY } from "./system.ts";

const NOBODY: Holders = { must: new Set(), may: new Set() };

interface Label {
  readonly name: string;
  readonly entitlement: string;
  /** False for a group that gave its plain name up. */
  readonly isPlain: boolean;
}

function labelOf({ displayName }: GroupAtEndpoint): Label {
  const [, name = "", rest = ""] = displayName.split(":");
  const [entitlement = "", suffix] = rest.split(" ~");
  return { name, entitlement, isPlain: suffix === undefined };
}

/** Safety, at every write that takes effect: what it gives was allowed by some prefix of the history. */
export async function checkEffect(
  play: Play,
  endpoint: ModelEndpoint,
  { run, group, added, removed, isRename }: Effect,
): Promise<void> {
  const { name, entitlement } = labelOf(group);
  if (removed.length > 0) await checkRemovals(play, endpoint, { run, group, removed });
  const place = { endpoint: endpoint.traits.name, name };
  await play.watch.endNarrowing(play.safety, place);
  // What an endpoint kept though it was told to remove it, or somebody put in, a rename carries along unknowing.
  const given = isRename && !play.needsLook && !play.hasHidden ? group.members : added;
  for (const userId of given) {
    if (play.safety.wasAllowed(place, entitlement, userId)) continue;
    if (play.meddled.has(meddledKey(endpoint, group, userId))) continue;
    if (isRename && isKept(play, { run, place, entitlement, userId })) continue;
    play.unsafe ??= `${nameOf(play, userId)} was given ${entitlement} on ${name} at ${place.endpoint}, which nothing allowed`;
  }
}

interface Carried {
  readonly run: string;
  readonly place: Place;
  readonly entitlement: string;
  readonly userId: string;
}

/** One of too many deactivated goes with the branch until somebody approves, where only that is in the way (rules A5, C2). */
function isKept({ removals, runs, safety, world }: Play, { run, place, entitlement, userId }: Carried): boolean {
  const isWithheld = removals?.wasMass(world, userId, runs.startedAt.get(run) ?? Infinity) ?? false;
  return isWithheld && safety.wouldBeAllowed(place, entitlement, userId);
}

/** Guards: nobody goes whose removal wants an approval and has none (rules C1, C2). */
async function checkRemovals(
  play: Play,
  endpoint: ModelEndpoint,
  { run, group, removed }: Pick<Effect, "run" | "group" | "removed">,
): Promise<void> {
  const { removals, world } = play;
  const { name, entitlement, isPlain } = labelOf(group);
  const incarnation = group.externalId?.split(":")[1] ?? "";
  // A branch that has ended, or went on under another name, gives its groups up.
  if (removals === null || !isPlain || !(await play.watch.isLive(incarnation, name))) return;
  removals.note(world, play.safety, endpoint.traits.name);
  for (const userId of removed) {
    if (play.meddled.has(meddledKey(endpoint, group, userId))) continue;
    const place = { endpoint: endpoint.traits.name, name, incarnation, entitlement };
    const runStartedAt = play.runs.startedAt.get(run) ?? world.now;
    const wrong = removals.judge(world, { group: place, userId, runStartedAt });
    if (wrong !== null) play.unsafe ??= `${nameOf(play, userId)} ${wrong}: ${entitlement} on ${name}`;
  }
}

export function meddledKey({ traits }: ModelEndpoint, { id }: Pick<GroupAtEndpoint, "id">, userId: string): string {
  return `${traits.name} ${id} ${userId}`;
}

function nameOf({ world }: Play, userId: string): string {
  return world.users.get(userId)?.userName ?? userId;
}

export interface Recorded {
  readonly syncs: readonly RecordedSync[];
  /** True when nothing else happened while it ran, and the endpoint told the truth when it was read. */
  readonly isHonest: boolean;
  /** True when the worker's connection to the record was cut, or the worker died. */
  readonly isBroken: boolean;
}

/** What was recorded as verified is so. */
export async function checkRecorded(play: Play, { syncs, isHonest, isBroken }: Recorded): Promise<void> {
  const internal = syncs.find(({ error }) => error?.code === "internal");
  if (internal !== undefined && !isBroken && !play.system.queue.isAway())
    part(play, `a run of ${internal.name} failed here, not at the endpoint`);
  if (play.broken !== null) part(play, play.broken);
  if (play.unsafe !== null) part(play, play.unsafe);
  for (const sync of syncs) {
    const isKnown = isHonest && (sync.verdict === "verified" || sync.verdict === "held");
    if (!isKnown && sync.reason !== "revocation") play.removals?.forget(sync);
  }
  if (!isHonest) return;
  // The revocation of one user is verified for that user alone.
  const last = new Map(syncs.filter(({ reason }) => reason !== "revocation").map((sync) => [sync.scopeId, sync]));
  for (const sync of last.values()) {
    if (sync.verdict === "verified") await checkVerified(play, sync);
    if (sync.verdict === "verified" || sync.verdict === "held") await showMembers(play, sync);
  }
}

async function showMembers({ removals, world, system }: Play, sync: RecordedSync): Promise<void> {
  if (removals === null) return;
  for (const group of await system.getEndpoint(sync.endpoint).listGroups()) {
    const [, incarnation, entitlement = ""] = group.externalId?.split(":") ?? [];
    if (incarnation === sync.incarnation) removals.show(world, { ...sync, entitlement }, group.members);
  }
}

async function checkVerified(play: Play, sync: RecordedSync): Promise<void> {
  const life = play.world.lives.get(sync.name);
  if (life?.isDoubtful === true) return;
  const holders = sync.state === "active" ? listHolders(play.world, sync) : new Map<string, Holders>();
  // Two halves told apart are a rename to the registry, which narrows until the first verified run.
  const isNarrowed = play.safety.isNarrowed(sync) || life?.isUncertain === true;
  for (const group of await play.system.getEndpoint(sync.endpoint).listGroups()) {
    const [, incarnation, entitlement = ""] = group.externalId?.split(":") ?? [];
    if (incarnation !== sync.incarnation) continue;
    const expected = holders.get(entitlement) ?? NOBODY;
    const difference = compare(play, group, isNarrowed ? { ...expected, must: new Set() } : expected);
    if (difference !== null) part(play, `${sync.name} was recorded as verified, but ${difference}`);
  }
}

/** Removals withheld by a guard (rule C1): whom they are about may stay. By `externalId`. */
async function listWithheld(
  { system }: Play,
  endpoint: ModelEndpoint,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { rows } = await system.pool.query<{ group: string; member: string }>(
    `select 'branchward:' || incarnation_id || ':' || entitlement as group, member
     from withheld_removals join scopes on scopes.id = scope_id where endpoint = $1`,
    [endpoint.traits.name],
  );
  const byGroup = Map.groupBy(rows, ({ group }) => group);
  return new Map(
    [...byGroup].map(([group, found]) => [group, new Set(found.map((row) => endpoint.userOf(row.member)))]),
  );
}

interface AtEndpoint {
  readonly endpoint: ModelEndpoint;
  readonly withheld: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Who must and may be in the group in the end, with what guards keep and, where drift is only reported, what somebody did. */
function widen(play: Play, { endpoint, withheld }: AtEndpoint, { group, expected }: Expected): Holders {
  const { must, may } = expected;
  const kept = may.union(withheld.get(group.externalId ?? "") ?? new Set<string>());
  if (endpoint.traits.drift === "repair") return { must, may: kept };
  const isLeft = (userId: string) => play.meddled.has(meddledKey(endpoint, group, userId));
  return {
    must: new Set([...must].filter((userId) => !isLeft(userId))),
    may: kept.union(new Set(group.members.filter(isLeft))),
  };
}

interface Expected {
  readonly group: GroupAtEndpoint;
  readonly expected: Holders;
}

function compare(play: Play, group: GroupAtEndpoint, { must, may }: Holders): string | null {
  const surplus = group.members.filter((userId) => !may.has(userId)).map((userId) => nameOf(play, userId));
  const missing = [...must].filter((userId) => !group.members.includes(userId)).map((userId) => nameOf(play, userId));
  if (surplus.length > 0) return `${surplus.join(", ")} may not be in ${group.displayName}`;
  return missing.length > 0 ? `${missing.join(", ")} must be in ${group.displayName}` : null;
}

interface LedgerRow {
  readonly group: string;
  readonly member: string;
  readonly isVerified: boolean;
}

/** The ledger says of every member that is there that they are, as a read proved, and of nobody else. */
async function checkLedger(play: Play, endpoint: ModelEndpoint): Promise<void> {
  const { rows } = await play.system.pool.query<LedgerRow>(
    `select 'branchward:' || scopes.incarnation_id || ':' || entitlement as group, member, verified_at is not null as "isVerified"
     from ledger_entries join scopes on scopes.id = scope_id where scopes.endpoint = $1 and ended_at is null`,
    [endpoint.traits.name],
  );
  const groups = await endpoint.listGroups();
  const there = new Set(
    groups.flatMap(({ externalId = "", members }) => members.map((userId) => `${externalId} ${userId}`)),
  );
  const keyOf = ({ group, member }: LedgerRow) => `${group} ${endpoint.userOf(member)}`;
  const told = new Set(rows.filter(({ isVerified }) => isVerified).map(keyOf));
  const [untold] = there.difference(told);
  const [untrue] = rows.map(keyOf).filter((key) => !there.has(key));
  const at = endpoint.traits.name;
  if (untold !== undefined) part(play, `at the end the ledger does not say that ${untold} is proved at ${at}`);
  if (untrue !== undefined) part(play, `at the end the ledger says that ${untrue} is at ${at}`);
}

/**
 * The end: every branch has its groups with whom the rules say, and nobody is in any other. `lookedAt`: since then every
 * scope was looked at again.
 */
export async function checkFinal(play: Play, lookedAt = -Infinity): Promise<void> {
  for (const endpoint of play.system.endpoints) {
    await checkFinalAt(play, endpoint, lookedAt);
    await checkLedger(play, endpoint);
  }
  await checkKept(play);
  await checkFindings(play);
}

async function checkFinalAt(play: Play, endpoint: ModelEndpoint, lookedAt: number): Promise<void> {
  const at = endpoint.traits.name;
  const groups = await endpoint.listGroups();
  const plain = new Map(groups.filter((group) => labelOf(group).isPlain).map((group) => [group.displayName, group]));
  const found = { endpoint, withheld: await listWithheld(play, endpoint) };
  const expected = new Map<string, Holders>();
  for (const name of NAMES) {
    if (!play.history.names().has(name)) continue;
    for (const [entitlement, holders] of listHolders(play.world, { endpoint: at, name })) {
      expected.set(`${REPOSITORY}:${name}:${entitlement}`, holders);
    }
  }
  for (const displayName of expected.keys())
    if (!plain.has(displayName)) part(play, `at the end there is no group ${displayName} at ${at}`);
  await checkWithheld(play, found, lookedAt - HOUR_MS);
  for (const group of groups) {
    const isPlain = plain.get(group.displayName) === group;
    const holders = (isPlain ? expected.get(group.displayName) : undefined) ?? NOBODY;
    const difference = compare(play, group, widen(play, found, { group, expected: holders }));
    if (difference !== null) part(play, `at the end ${difference} at ${at}`);
  }
}

/** Whoever is withheld is so for a reason, and no approval says otherwise (rules C1, C2). `since`: when the guards' window began. */
async function checkWithheld(play: Play, { endpoint, withheld }: AtEndpoint, since: number): Promise<void> {
  const { removals, world } = play;
  if (removals === null) return;
  const everybody = removals.listGone(since).union(new Set([...withheld.values()].flatMap((users) => [...users])));
  for (const [externalId, users] of withheld) {
    const [, incarnation = "", entitlement = ""] = externalId.split(":");
    const name = await play.watch.findName(incarnation);
    if (name === undefined || world.lives.get(name)?.isUncertain === true) continue;
    const group = { endpoint: endpoint.traits.name, name, incarnation, entitlement };
    for (const userId of users) {
      const who = `${nameOf(play, userId)} in ${entitlement} on ${name}`;
      const isActive = world.users.get(userId)?.active === true;
      // Who approved a plan has let nobody go who was deactivated since, as one of too many.
      const isApproved = isActive ? removals.isApproved(world, userId, group) : removals.isLetGo(world, userId);
      if (isApproved) part(play, `at the end ${who} is withheld, though approved`);
      if (!isActive && !removals.isMass(world, userId)) part(play, `at the end ${who} is withheld, though inactive`);
      if (isActive && isDenied(world, group, { entitlement, userId }))
        part(play, `at the end ${who} is withheld, though denied`);
      if (isActive && everybody.size <= (play.system.setting.guards?.maxRemovals ?? 0))
        part(play, `at the end ${who} is withheld, though nobody else goes`);
    }
  }
}

/** Nothing that was acknowledged is lost. */
async function checkKept(play: Play): Promise<void> {
  const { rows } = await play.system.pool.query<{ id: string }>("select id from deliveries");
  const kept = new Set(rows.map(({ id }) => id));
  const lost = play.acknowledged.filter((id) => !kept.has(id));
  if (lost.length > 0) part(play, `${lost.length} acknowledged deliveries are lost`);
}

/** Who reads that a revocation is outstanding can rely on it, as on its end. */
async function checkFindings(play: Play): Promise<void> {
  const { rows } = await play.system.pool.query<{ subject: string }>(
    `select subject from findings where kind = 'revocation-outstanding' and resolved_at is null and not exists (
       select from revocations where done_at is null and kind || ' ' || revocations.subject = findings.subject
     )`,
  );
  const [stale] = rows;
  if (stale !== undefined)
    part(play, `at the end a finding says of ${stale.subject} that its revocation is outstanding`);
}
