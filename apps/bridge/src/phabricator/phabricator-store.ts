/**
 * A `ScimStore` over Phabricator. The server is the record: what is shown was read from it, and what is written is read
 * back from it before it is answered. The bridge keeps beside it what Phabricator has no place for.
 */
import type { Filter, ListQuery, ResourcePage, ResourceType, ScimStore } from "@branchward/scim";
import { ScimError } from "@branchward/scim";
import { type HeldGroup, type HeldUser, type Snapshot } from "../state/snapshot.ts";
import type { StateFile } from "../state/state-file.ts";
import type { BridgeContext } from "../store/context.ts";
import { listPage } from "../store/list-page.ts";
import { createLock } from "../store/locked.ts";
import { toStoredGroup, toStoredUser } from "../store/render.ts";
import { ConduitError } from "./conduit.ts";
import { createGroupWriter, type GroupWriter } from "./group-writer.ts";
import { createLedger, intentPrefix, isDeleted, type Ledger } from "./ledger.ts";
import type { Phabricator } from "./phabricator.ts";
import { findUnlimited, listLimiting, restoreLimit } from "./push-limits.ts";
import { refresh } from "./refresh.ts";
import { inScimTerms } from "./scim-error.ts";
import { createUserWriter, type UserWriter } from "./user-writer.ts";
import { textOf } from "../state/text-of.ts";
import type { AccountNaming } from "../accounts/account-name.ts";

/** What a store is made of. */
export interface PhabricatorStoreOptions {
  readonly phabricator: Phabricator;
  readonly stateFile: StateFile;
  readonly naming: AccountNaming;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Makes the state anew from what the server tells, also where there is one. */
  readonly isRebuild: boolean;
}

/** The store and its looks at the whole server. */
export interface PhabricatorStore {
  readonly store: ScimStore<BridgeContext>;
  /** What was not as it shall be at the last look, a sentence each. */
  problems(): readonly string[];
  /** Looks at the whole server and puts right what is ours; resolves with `problems`. @throws ScimError */
  audit(): Promise<readonly string[]>;
}

/**
 * Loads the state, or makes it from the server, and looks at the server.
 * @throws ConfigurationError for a state that is not whole; ConduitError where there is none and no server to ask
 */
export async function openPhabricatorStore(options: PhabricatorStoreOptions): Promise<PhabricatorStore> {
  const kept = options.isRebuild ? undefined : await options.stateFile.load();
  const ledger = createLedger({ ...options, initial: kept ?? { users: new Map(), groups: new Map() } });
  const lock = createLock();
  const users = createUserWriter({ ...options, ledger });
  const groups = createGroupWriter({ ...options, ledger });
  const { phabricator } = options;
  const look = () => refresh({ phabricator, ledger, users, lock });
  // Without a state nothing is known: what could not be read must not look as if it were not there.
  const problems = kept === undefined ? await look() : await look().catch(toProblems);
  const state = { problems };
  return {
    store: createStore({ phabricator, ledger, users, groups, lock }),
    problems: () => state.problems,
    async audit() {
      state.problems = await inScimTerms(look);
      return state.problems;
    },
  };
}

function toProblems(error: unknown): readonly string[] {
  if (error instanceof ConduitError) return [`Phabricator could not be looked at: ${error.message}`];
  throw error;
}

interface Parts {
  readonly phabricator: Phabricator;
  readonly ledger: Ledger;
  readonly users: UserWriter;
  readonly groups: GroupWriter;
  readonly lock: ReturnType<typeof createLock>;
}

function createStore(parts: Parts): ScimStore<BridgeContext> {
  const { ledger, users, groups, lock } = parts;
  const writing = <T>(task: () => Promise<T>): Promise<T> => lock(() => inScimTerms(task));
  return {
    find: (_, type, id, read) =>
      inScimTerms(async () => {
        if (isUser(type)) {
          const user = await users.look(id);
          await ledger.save();
          return user && toStoredUser(ledger.get(), user, read);
        }
        const group = await groups.look(id);
        if (group !== undefined) await guard(parts, [group]);
        await ledger.save();
        return group && toStoredGroup(ledger.get(), group, read.members);
      }),
    list: (_, type, query) =>
      inScimTerms(async () => {
        await findNew(parts, type, query.filter);
        const page = listHeld(parts, type, query);
        // What the page is about to show is looked at; what it shows is then what was read.
        const isChanged = await lookAgain(parts, type, page);
        await ledger.save();
        return isChanged ? listHeld(parts, type, query) : page;
      }),
    create: (context, type, state) =>
      writing(() => (isUser(type) ? users.create(state) : groups.create(context, state))),
    update: (context, type, id, update) =>
      writing(() => (isUser(type) ? users.update(id, update) : groups.update(context, id, update))),
    delete: (context, type, id, check) =>
      writing(() => (isUser(type) ? users.delete(id, check) : groups.delete(context, id, check))),
  };
}

/**
 * A group is not shown as limiting a branch that it does not limit: where its rule does not stand, it is restored first.
 * @throws ScimError 503 without the extension; 400 for what cannot be enforced any more
 */
async function guard(parts: Parts, groups: readonly HeldGroup[]): Promise<void> {
  if (listLimiting(groups).length === 0) return;
  for (const { id } of await findUnlimited(parts.phabricator, groups).catch(toUntold))
    await parts.lock(() => restore(parts, id));
}

/** By what it is when its turn comes: a write before may have given its branch up, and the rule would close that for good. */
async function restore({ phabricator, ledger }: Parts, id: string): Promise<void> {
  const group = ledger.get().groups.get(id);
  if (group === undefined) return;
  for (const unlimited of await findUnlimited(phabricator, [group])) await restoreLimit(phabricator, unlimited);
}

function toUntold(error: unknown): never {
  if (error instanceof ConduitError && error.kind === "unknown-method")
    throw new ScimError(503, "whether a Herald rule stands cannot be told without the extension");
  throw error;
}

/** Who asks for a user by name may mean an account that was made since the last look. */
async function findNew({ phabricator, ledger }: Parts, type: ResourceType, filter: Filter | undefined): Promise<void> {
  const name = type.name === "User" ? findUserName(filter) : undefined;
  if (name === undefined) return;
  const names = [...new Set([name, name.replace(/@[^@]*$/, "")])];
  const waiting = [...ledger.get().users.values()].some(
    ({ account, attributes }) => account === "" && textOf(attributes, "userName").toLowerCase() === name.toLowerCase(),
  );
  if (waiting) return;
  for (const account of await phabricator.accounts.find({ userNames: names }))
    ledger.noteAccount(ledger.findUserOf(account.phid), account);
}

function findUserName(filter: Filter | undefined): string | undefined {
  if (filter?.kind !== "compare" || filter.operator !== "eq" || filter.target.attribute.name !== "userName")
    return undefined;
  return typeof filter.literal === "string" ? filter.literal : undefined;
}

/** Whether a look at what is on the page changed any of it. */
async function lookAgain(parts: Parts, type: ResourceType, page: ResourcePage): Promise<boolean> {
  const { phabricator, ledger } = parts;
  const before = ledger.get();
  const ids = page.resources.map(({ id }) => id);
  if (type.name === "User") {
    const held = new Map(ids.flatMap((id) => toEntry(before.users.get(id))));
    for (const chunk of toChunks([...held.keys()]))
      for (const account of await phabricator.accounts.find({ phids: chunk }))
        ledger.noteAccount(held.get(account.phid), account);
  } else {
    for (const chunk of toChunks(ids))
      for (const project of await phabricator.projects.find(chunk))
        if (!project.isArchived) ledger.noteProject(before.groups.get(project.phid), project);
    await guard(
      parts,
      ids.flatMap((id) => ledger.get().groups.get(id) ?? []),
    );
  }
  return ledger.get() !== before;
}

function isUser({ name }: ResourceType): boolean {
  return name === "User";
}

function toEntry(user: HeldUser | undefined): readonly [string, HeldUser][] {
  return user === undefined || user.account === "" ? [] : [[user.account, user]];
}

/** As many as one call of Conduit returns. */
function toChunks(ids: readonly string[]): readonly (readonly string[])[] {
  const size = 100;
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, index) =>
    ids.slice(index * size, (index + 1) * size),
  );
}

function listHeld({ ledger }: Parts, type: ResourceType, query: ListQuery): ResourcePage {
  const snapshot: Snapshot = ledger.get();
  if (type.name === "User") {
    const held = [...snapshot.users.values()].filter((user) => !isDeleted(user));
    return listPage(snapshot, { held, render: (user) => toStoredUser(snapshot, user, query.read) }, query);
  }
  const held = [...snapshot.groups.values()].filter(({ id }) => !id.startsWith(intentPrefix));
  return listPage(snapshot, { held, render: (group) => toStoredGroup(snapshot, group, query.read.members) }, query);
}
