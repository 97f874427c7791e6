/**
 * A `ScimStore` in memory over a native system: one write at a time, each kept in the state file, written through to
 * the native system and proved there before it is answered.
 */
import { isDeepStrictEqual } from "node:util";
import {
  type JsonObject,
  type ResourceState,
  type ResourceType,
  type ResourceUpdate,
  ScimError,
  type ScimStore,
  type StoredResource,
} from "@branchward/scim";
import { uuidv7 } from "uuidv7";
import { refuseRemoval } from "../accounts/found-account.ts";
import type { StateFile } from "../state/state-file.ts";
import { type HeldGroup, type HeldUser, type Snapshot } from "../state/snapshot.ts";
import type { NativeTarget, Touched } from "../target.ts";
import type { BridgeContext } from "./context.ts";
import { withFoundUsers } from "./found-users.ts";
import { applyDelta, requireFence, requireGroup, withoutMember } from "./groups.ts";
import { listPage } from "./list-page.ts";
import { createLock } from "./locked.ts";
import { toStoredGroup, toStoredUser } from "./render.ts";
import { toUser } from "./users.ts";

export interface NativeStore {
  readonly store: ScimStore<BridgeContext>;
  /** What of the state the native system does not hold, a sentence each, as of the last look. */
  readonly problems: () => readonly string[];
  /** Looks at the native system and puts right what differs; resolves with `problems`. */
  readonly audit: () => Promise<readonly string[]>;
}

export interface NativeStoreOptions {
  readonly target: NativeTarget;
  readonly stateFile: StateFile;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Makes the state anew from the native files, also where there is one. */
  readonly isRebuild: boolean;
}

/** Loads the state, or makes it from the native files, and looks at the native system. */
export async function openNativeStore(options: NativeStoreOptions): Promise<NativeStore> {
  const { target, stateFile, isRebuild } = options;
  const kept = isRebuild ? undefined : await stateFile.load();
  const snapshot = kept ?? (await target.rebuild());
  if (kept === undefined) await stateFile.save(snapshot);
  const holder = createHolder(options, snapshot);
  const lock = createLock();
  const audit = () => lock(() => holder.look());
  await audit();
  return { store: createStore(options, holder, lock), problems: holder.problems, audit };
}

type Holder = ReturnType<typeof createHolder>;

/** The snapshot in force and the way to the next one. */
function createHolder({ target, stateFile, now }: NativeStoreOptions, initial: Snapshot) {
  const state = { snapshot: initial, problems: [] as readonly string[], isStale: false };

  async function reconcile(): Promise<readonly string[]> {
    state.problems = await target.reconcile(state.snapshot);
    state.isStale = state.problems.length > 0;
    return state.problems;
  }

  /** Which accounts others made since the last look. Where nobody can tell, those that were known stay. */
  async function find(): Promise<void> {
    const found = await target.listFound();
    if (found === undefined) return;
    const at = new Date(now()).toISOString();
    const after = withFoundUsers(state.snapshot, { found, at, createId: uuidv7 });
    if (after !== state.snapshot) await keep(after);
  }

  /** Keeps what the native system does not know of, or knew before. */
  async function keep(after: Snapshot): Promise<void> {
    await stateFile.save(after);
    state.snapshot = after;
  }

  /** State first: what a crash cuts short is completed at the next start. */
  async function commit(after: Snapshot, touched: Touched): Promise<void> {
    const before = state.snapshot;
    if (state.isStale) await reconcile();
    await stateFile.save(after);
    try {
      await target.apply({ before, after, touched });
    } catch (error) {
      state.isStale = true;
      await stateFile.save(before);
      throw error;
    }
    state.snapshot = after;
  }

  return {
    get: () => state.snapshot,
    problems: () => state.problems,
    reconcile,

    async look(): Promise<readonly string[]> {
      await find();
      return reconcile();
    },
    commit,
    keep,
  };
}

const NOTHING: ReadonlySet<string> = new Set();

function createStore(
  options: NativeStoreOptions,
  holder: Holder,
  lock: ReturnType<typeof createLock>,
): ScimStore<BridgeContext> {
  const writers = { User: createUserWriter(options, holder), Group: createGroupWriter(options, holder) };
  const writerOf = ({ name }: ResourceType) => (name === "User" ? writers.User : writers.Group);
  return {
    async find(_, type, id, read) {
      const snapshot = holder.get();
      if (type.name === "User") {
        const user = snapshot.users.get(id);
        return user && toStoredUser(snapshot, user, read);
      }
      const group = snapshot.groups.get(id);
      if (group !== undefined) requireProved(options.target, group);
      return group && toStoredGroup(snapshot, group, read.members);
    },
    async list(_, type, query) {
      const snapshot = holder.get();
      if (type.name === "User") {
        const render = (user: HeldUser) => toStoredUser(snapshot, user, query.read);
        return listPage(snapshot, { held: snapshot.users.values(), render }, query);
      }
      const render = (group: HeldGroup) => toStoredGroup(snapshot, group, query.read.members);
      return listPage(snapshot, { held: snapshot.groups.values(), render }, query);
    },
    create: (context, type, state) => lock(() => writerOf(type).create(context, state)),
    update: (context, type, id, update) => lock(() => writerOf(type).update(context, id, update)),
    delete: (context, type, id, check) => lock(() => writerOf(type).delete(context, id, check)),
  };
}

interface Writer {
  create(context: BridgeContext, state: ResourceState): Promise<StoredResource>;
  update(context: BridgeContext, id: string, update: ResourceUpdate): Promise<StoredResource>;
  delete(context: BridgeContext, id: string, check: (current: StoredResource) => void): Promise<void>;
}

function createUserWriter({ target, now }: NativeStoreOptions, holder: Holder): Writer {
  const show = (user: HeldUser, derived: readonly string[] = []) =>
    toStoredUser(holder.get(), user, { members: "none", derived });

  function getUser(id: string): HeldUser {
    const user = holder.get().users.get(id);
    if (user === undefined) throw new ScimError(404, `no User with id ${id}`);
    return user;
  }

  async function put(user: HeldUser): Promise<void> {
    const { users, groups } = holder.get();
    const after = { users: new Map(users).set(user.id, user), groups };
    await holder.commit(after, { users: new Set([user.id]), groups: NOTHING });
  }

  return {
    async create(_, { attributes }) {
      const at = new Date(now()).toISOString();
      const identity = { id: uuidv7(), version: 1, created: at, lastModified: at, before: undefined };
      const user = await toUser({ target, snapshot: holder.get() }, attributes, identity);
      await put(user);
      return show(user);
    },
    async update(_, id, { change, returns }) {
      // What is adopted is adopted as it is now.
      if (getUser(id).isFound) await holder.look();
      const before = getUser(id);
      const wanted = change(show(before)).attributes;
      const { created, version } = before;
      const lastModified = new Date(now()).toISOString();
      const identity = { id, created, version: version + 1, lastModified, before };
      const user = await toUser({ target, snapshot: holder.get() }, wanted, identity);
      const isSame = isDeepStrictEqual(user, { ...before, version: user.version, lastModified });
      if (!isSame) await put(user);
      return show(isSame ? before : user, returns.derived);
    },
    async delete(_, id, check) {
      const user = getUser(id);
      check(show(user));
      if (user.isFound) throw refuseRemoval(user.account);
      const { users, groups } = holder.get();
      const left = withoutMember(groups, id, new Date(now()).toISOString());
      const remaining = new Map(users);
      remaining.delete(id);
      const touched = { users: new Set([id]), groups: new Set(left.keys()) };
      await holder.commit({ users: remaining, groups: new Map([...groups, ...left]) }, touched);
    },
  };
}

function createGroupWriter({ target, now }: NativeStoreOptions, holder: Holder): Writer {
  const show = (group: HeldGroup, members: Parameters<typeof toStoredGroup>[2]) =>
    toStoredGroup(holder.get(), group, members);

  function getGroup(context: BridgeContext, id: string): HeldGroup {
    const group = holder.get().groups.get(id);
    if (group === undefined) throw new ScimError(404, `no Group with id ${id}`);
    requireFence(context, group);
    return group;
  }

  function withGroup(group: HeldGroup): Snapshot {
    const { users, groups } = holder.get();
    return { users, groups: new Map(groups).set(group.id, group) };
  }

  async function put(group: HeldGroup, before: HeldGroup | undefined): Promise<void> {
    requireGroup(holder.get(), group, before);
    target.requireGroup(group);
    await holder.commit(withGroup(group), { users: NOTHING, groups: new Set([group.id]) });
  }

  return {
    async create({ fence = 0 }, { attributes, members }) {
      const at = new Date(now()).toISOString();
      const held = applyDelta(NOTHING, members);
      const group = { id: uuidv7(), version: 1, created: at, lastModified: at, attributes, members: held, fence };
      await put(group, undefined);
      return show(group, "all");
    },
    async update(context, id, { readMembers, change, returns }) {
      const before = getGroup(context, id);
      // What stood in the way may have been mended since the last look.
      if (target.findProblem(before) !== undefined) await holder.reconcile();
      requireProved(target, before);
      const state = change(show(before, readMembers));
      const members = applyDelta(before.members, state.members);
      const fence = context.fence ?? before.fence;
      if (members === before.members && isDeepStrictEqual(state.attributes, before.attributes)) {
        // A write that changes nothing still shows that a newer lease is at work.
        if (fence > before.fence) await holder.keep(withGroup({ ...before, fence }));
        return show(before, returns.members);
      }
      const group = toNext(before, { attributes: state.attributes, members, fence }, now());
      await put(group, before);
      return show(group, returns.members);
    },
    async delete(context, id, check) {
      check(show(getGroup(context, id), "none"));
      const { users, groups } = holder.get();
      const left = withoutMember(groups, id, new Date(now()).toISOString());
      const remaining = new Map([...groups, ...left]);
      remaining.delete(id);
      await holder.commit({ users, groups: remaining }, { users: NOTHING, groups: new Set([id, ...left.keys()]) });
    },
  };
}

function toNext(
  before: HeldGroup,
  change: { readonly attributes: JsonObject; readonly members: ReadonlySet<string>; readonly fence: number },
  nowMs: number,
): HeldGroup {
  return { ...before, ...change, version: before.version + 1, lastModified: new Date(nowMs).toISOString() };
}

/** What the native system is known not to hold is not shown as if it did. @throws ScimError 503 with the reason */
function requireProved(target: NativeTarget, group: HeldGroup): void {
  const problem = target.findProblem(group);
  if (problem !== undefined) throw new ScimError(503, problem);
}
