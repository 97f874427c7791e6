/**
 * Guards (rules C1, C2) as the oracle sees them: whose removal needs an approval, and who was removed without one. It says
 * nothing where an answer may be open: of memberships that no verified run showed, and of branches in doubt.
 */
import type { EndpointName, Setting } from "../setting.ts";
import { ENTITLEMENTS, HOUR_MS, NAMES } from "./policy.ts";
import type { Safety } from "./safety.ts";
import { isDenied, listStandingHolders, type Membership, type Place, type World } from "./world.ts";

/** How long an approval lasts. */
const APPROVED_MS = 24 * HOUR_MS;

/** A group of an incarnation at an endpoint. */
export interface GroupKey extends Place {
  readonly incarnation: string;
  readonly entitlement: string;
}

export interface Removals {
  /** Takes in whose removal is free now. Called after every step of the history. */
  note(world: World, safety: Safety, endpoint: EndpointName): void;
  /** A run proved the members: who holds by a standing grant is guarded from here on. */
  show(world: World, group: GroupKey & { readonly verdict: string }, members: readonly string[]): void;
  /** What a run that proved nothing did to the scope is not known. */
  forget(place: Pick<GroupKey, "endpoint" | "incarnation">): void;
  /** Lets one user go from one group, or from everything. */
  approve(world: World, userId: string, group?: Pick<GroupKey, "endpoint" | "incarnation" | "entitlement">): void;
  /** Lets one of too many deactivated go. */
  letGo(world: World, userId: string): void;
  isApproved(world: World, userId: string, group: GroupKey): boolean;
  /** Whether somebody let the user go as one of too many deactivated: what alone ends their wait. */
  isLetGo(world: World, userId: string): boolean;
  /** One of too many whom the identity provider deactivated. */
  isMass(world: World, userId: string): boolean;
  /** Whether the user was one of too many at some moment from then on: their removal may have been withheld. */
  wasMass(world: World, userId: string, since: number): boolean;
  /** A removal by a run that began then. @returns what is wrong with it */
  judge(world: World, removed: Removed): string | null;
  /** Users whom guards let go since then: within the window they count. */
  listGone(since: number): ReadonlySet<string>;
}

export interface Removed {
  readonly group: GroupKey;
  readonly userId: string;
  readonly runStartedAt: number;
}

const EVERYWHERE = "everywhere";
const DEACTIVATED = "deactivated";

type Limits = NonNullable<Setting["guards"]>;

function createState({ maxRemovals, maxRemovalShare, maxDeactivations }: Limits) {
  return {
    maxRemovals,
    maxRemovalShare,
    maxDeactivations,
    /** Memberships that a guard looks at. */
    guarded: new Set<string>(),
    /** When a removal last needed no approval. */
    freeAt: new Map<string, number>(),
    approvedAt: new Map<string, number>(),
    /** When the user was last one of too many. */
    massAt: new Map<string, number>(),
    /** The most members that a group was ever seen with: no hour began with more. */
    largest: new Map<string, number>(),
    taken: new Map<string, { readonly userId: string; readonly at: number }[]>(),
    /** When a user last went whose removal a guard had to look at. */
    goneAt: new Map<string, number>(),
  };
}
type State = ReturnType<typeof createState>;

export function createRemovals(limits: Limits): Removals {
  const state = createState(limits);
  return {
    isMass: (world, userId) => isMass(state, world, userId),
    wasMass: (world, userId, since) => isMass(state, world, userId) || (state.massAt.get(userId) ?? -Infinity) >= since,
    letGo(world, userId) {
      for (const what of [EVERYWHERE, DEACTIVATED]) state.approvedAt.set(`${userId} ${what}`, world.now);
    },
    isLetGo: (world, userId) => isStanding(state, world, `${userId} ${DEACTIVATED}`),
    isApproved: (world, userId, group) => isApproved(state, world, { userId, group }),
    listGone: (since) => new Set([...state.goneAt].flatMap(([userId, at]) => (at >= since ? [userId] : []))),
    note: (world, safety, endpoint) => note(state, { world, safety, endpoint }),
    show: (world, group, members) => show(state, world, { group, members }),
    forget({ endpoint, incarnation }) {
      for (const key of state.guarded) if (key.startsWith(`${endpoint} ${incarnation} `)) state.guarded.delete(key);
    },
    approve(world, userId, group) {
      state.approvedAt.set(`${userId} ${group === undefined ? EVERYWHERE : keyOf(group)}`, world.now);
    },
    judge: (world, removed) => judge(state, world, removed),
  };
}

/** Within some hour around it more went than the limit, who have not come back. */
function isMass({ maxDeactivations }: State, { departures }: World, userId: string): boolean {
  const at = departures.get(userId);
  if (at === undefined) return false;
  const times = [...departures.values()];
  return times
    .filter((start) => start <= at && at - start <= HOUR_MS)
    .some((start) => times.filter((each) => each >= start && each - start <= HOUR_MS).length > maxDeactivations);
}

function isApproved(
  state: State,
  world: World,
  { userId, group }: { readonly userId: string; readonly group: GroupKey },
): boolean {
  return [`${userId} ${EVERYWHERE}`, `${userId} ${keyOf(group)}`].some((key) => isStanding(state, world, key));
}

function isStanding({ approvedAt }: State, { now }: World, key: string): boolean {
  return (approvedAt.get(key) ?? -Infinity) + APPROVED_MS > now;
}

interface Moment {
  readonly world: World;
  readonly safety: Safety;
  readonly endpoint: EndpointName;
}

function note(state: State, { world, safety, endpoint }: Moment): void {
  const users = new Set([...world.users.keys(), ...world.departures.keys()]);
  for (const userId of users) if (isMass(state, world, userId)) state.massAt.set(userId, world.now);
  for (const place of NAMES.map((name) => ({ endpoint, name }))) {
    for (const entitlement of ENTITLEMENTS) {
      for (const userId of users) {
        const isWaiting = isMass(state, world, userId);
        if (isFreeNow(world, safety, { place, entitlement, userId, isWaiting }))
          state.freeAt.set(`${endpoint} ${place.name} ${entitlement} ${userId}`, world.now);
      }
    }
  }
}

interface Proved {
  readonly group: GroupKey & { readonly verdict: string };
  readonly members: readonly string[];
}

function show({ guarded, largest }: State, world: World, { group, members }: Proved): void {
  largest.set(keyOf(group), Math.max(largest.get(keyOf(group)) ?? 0, members.length));
  const standing = listStandingHolders(world, group).get(group.entitlement)?.must ?? new Set();
  for (const userId of members) {
    if (standing.has(userId)) guarded.add(`${keyOf(group)} ${userId}`);
    else if (group.verdict === "verified") guarded.delete(`${keyOf(group)} ${userId}`);
  }
}

function judge(state: State, world: World, { group, userId, runStartedAt }: Removed): string | null {
  const key = keyOf(group);
  if (!state.guarded.delete(`${key} ${userId}`)) return null;
  const { endpoint, name, entitlement } = group;
  if ((state.freeAt.get(`${endpoint} ${name} ${entitlement} ${userId}`) ?? -Infinity) >= runStartedAt) return null;
  if (isApproved(state, world, { userId, group })) return null;
  state.goneAt.set(userId, world.now);
  if (isMass(state, world, userId)) return "was removed, though too many were deactivated and nobody approved it";
  const taken = [...(state.taken.get(key) ?? []), { userId, at: runStartedAt }];
  state.taken.set(key, taken);
  const counted = new Set(taken.filter(({ at }) => runStartedAt - at < HOUR_MS).map((each) => each.userId));
  const limit = Math.max(state.maxRemovals, state.maxRemovalShare * (state.largest.get(key) ?? Infinity));
  return counted.size > limit ? "was removed as one too many, and nobody approved it" : null;
}

function keyOf({
  endpoint,
  incarnation,
  entitlement,
}: Pick<GroupKey, "endpoint" | "incarnation" | "entitlement">): string {
  return `${endpoint} ${incarnation} ${entitlement}`;
}

interface FreeQuestion extends Membership {
  readonly place: Place;
  /** One of too many who were deactivated. */
  readonly isWaiting: boolean;
}

/** Whether a removal needs no approval: a deactivation, an ended or renamed branch, a deny. */
function isFreeNow(world: World, safety: Safety, { place, entitlement, userId, isWaiting }: FreeQuestion): boolean {
  const life = world.lives.get(place.name);
  if (life === undefined || !life.isAlive || life.isDoubtful || life.isUncertain) return true;
  if (safety.isNarrowed(place)) return true;
  if (world.users.get(userId)?.active !== true) return !isWaiting;
  return isDenied(world, place, { entitlement, userId });
}
