/**
 * What the bridge knows of users and groups: as clients described them, put right by each look at Phabricator. A look
 * that took its time never undoes what was learnt meanwhile.
 */
import { isDeepStrictEqual } from "node:util";
import type { StateFile } from "../state/state-file.ts";
import type { HeldGroup, HeldUser, Snapshot } from "../state/snapshot.ts";
import { createLock } from "../store/locked.ts";
import type { Account } from "./accounts.ts";
import type { Project } from "./projects.ts";
import { observe, toAttributes } from "./user-attributes.ts";
import type { AccountNaming } from "../accounts/account-name.ts";

/** The state of a bridge in front of Phabricator. */
export interface Ledger {
  get(): Snapshot;
  /** The user of that PHID. */
  findUserOf(phid: string): HeldUser | undefined;
  putUser(user: HeldUser): Promise<void>;
  putGroup(group: HeldGroup): Promise<void>;
  /** Forgets a user or a group. */
  drop(id: string): Promise<void>;
  /** Notes what an account is now, unless more was learnt since `held`; returns what is held then. */
  noteAccount(held: HeldUser | undefined, account: Account): HeldUser;
  /** Notes what a project is now, unless more was learnt since `held`; returns what is held then. */
  noteProject(held: HeldGroup | undefined, project: Project): HeldGroup;
  /** Resolves once all that was noted is on the disk. */
  save(): Promise<void>;
}

/** What a ledger is made of. */
export interface LedgerOptions {
  readonly stateFile: StateFile;
  readonly initial: Snapshot;
  readonly naming: AccountNaming;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Makes a ledger that begins with `initial`. */
export function createLedger({ stateFile, initial, naming, now }: LedgerOptions): Ledger {
  const holder = createHolder(stateFile, initial);
  const { get, save } = holder;
  const byAccount = new WeakMap<Snapshot["users"], ReadonlyMap<string, HeldUser>>();
  const at = (): string => new Date(now()).toISOString();

  function findUserOf(phid: string): HeldUser | undefined {
    const { users } = get();
    const index = byAccount.get(users) ?? new Map([...users.values()].map((user) => [user.account, user]));
    byAccount.set(users, index);
    return phid === "" ? undefined : index.get(phid);
  }

  return {
    get,
    findUserOf,
    save,
    async putUser(user) {
      holder.setUser(user);
      await save();
    },
    async putGroup(group) {
      holder.setGroup(group);
      await save();
    },
    async drop(id) {
      holder.drop(id);
      await save();
    },
    noteAccount(held, account) {
      const known = held === undefined ? findUserOf(account.phid) : get().users.get(held.id);
      if (known === undefined) return holder.setUser(toNewUser(account, naming));
      if (held !== undefined && known !== held) return known;
      const next = toSeenUser(known, { account, naming, at: at() });
      return next === known ? known : holder.setUser(next);
    },
    noteProject(held, project) {
      const known = get().groups.get(project.phid);
      const members = new Set(project.members.map((phid) => findUserOf(phid)?.id ?? phid));
      if (known === undefined) return holder.setGroup(toNewGroup(project, members));
      if (held !== undefined && known !== held) return known;
      const attributes = { ...known.attributes, displayName: project.name };
      if (isDeepStrictEqual(attributes, known.attributes) && isDeepStrictEqual(members, known.members)) return known;
      return holder.setGroup({ ...known, attributes, members, version: known.version + 1, lastModified: at() });
    },
  };
}

/** The snapshot in force, and its way to the disk: saves follow one another, each with all that is known by then. */
function createHolder(stateFile: StateFile, initial: Snapshot) {
  const state = { snapshot: initial, saved: initial };
  const saving = createLock();
  return {
    get: () => state.snapshot,
    setUser(user: HeldUser): HeldUser {
      const { users, groups } = state.snapshot;
      state.snapshot = { users: new Map(users).set(user.id, user), groups };
      return user;
    },
    setGroup(group: HeldGroup): HeldGroup {
      const { users, groups } = state.snapshot;
      state.snapshot = { users, groups: new Map(groups).set(group.id, group) };
      return group;
    },
    drop(id: string): void {
      const { users, groups } = state.snapshot;
      state.snapshot = { users: without(users, id), groups: without(groups, id) };
    },
    save: () =>
      saving(async () => {
        const { snapshot } = state;
        if (snapshot === state.saved) return;
        await stateFile.save(snapshot);
        state.saved = snapshot;
      }),
  };
}

/** What a client must not see: a user that it deleted, whose account Phabricator cannot delete. */
export function isDeleted({ native }: HeldUser): boolean {
  return native["isDeleted"] === true;
}

/** Whether the account waits for its owner's first login. */
export function isPending({ account }: HeldUser): boolean {
  return account === "";
}

/** Held from before a project is made until its PHID is known (rule C6). */
export const intentPrefix = "intent:";

function toNewUser(account: Account, naming: AccountNaming): HeldUser {
  const created = new Date(account.createdAt * 1000).toISOString();
  const attributes = toAttributes(account, naming);
  const { phid } = account;
  return { id: phid, version: 1, created, lastModified: created, attributes, account: phid, native: {} };
}

function toSeenUser(
  known: HeldUser,
  { account, naming, at }: { readonly account: Account; readonly naming: AccountNaming; readonly at: string },
): HeldUser {
  const attributes = observe(known.attributes, account, naming);
  // Who enables a deleted user's account by hand takes the user back.
  const native = isDeleted(known) && !account.isDisabled ? {} : known.native;
  const isSame =
    known.account === account.phid &&
    isDeepStrictEqual(native, known.native) &&
    isDeepStrictEqual(attributes, known.attributes);
  if (isSame) return known;
  return { ...known, account: account.phid, attributes, native, version: known.version + 1, lastModified: at };
}

function toNewGroup(project: Project, members: ReadonlySet<string>): HeldGroup {
  const created = new Date(project.createdAt * 1000).toISOString();
  const attributes = { displayName: project.name };
  return { id: project.phid, version: 1, created, lastModified: created, attributes, members, fence: 0 };
}

function without<T>(map: ReadonlyMap<string, T>, id: string): ReadonlyMap<string, T> {
  if (!map.has(id)) return map;
  const next = new Map(map);
  next.delete(id);
  return next;
}
