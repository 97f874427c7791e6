/** What clients do to users: written to Phabricator first, then kept. */
import { isDeepStrictEqual } from "node:util";
import {
  type JsonObject,
  type ResourceState,
  type ResourceUpdate,
  ScimError,
  type StoredResource,
} from "@branchward/scim";
import { uuidv7 } from "uuidv7";
import type { HeldUser } from "../state/snapshot.ts";
import { toStoredUser } from "../store/render.ts";
import type { Account, AccountEdit } from "./accounts.ts";
import { ConduitError } from "./conduit.ts";
import { isDeleted, isPending, type Ledger } from "./ledger.ts";
import type { Phabricator } from "./phabricator.ts";
import { findEmail, toAccountEdit, toUserName, toPendingAttributes, toRealName } from "./user-attributes.ts";
import type { AccountNaming } from "../accounts/account-name.ts";

/** What writers work with. */
export interface UserWriterOptions {
  readonly phabricator: Phabricator;
  readonly ledger: Ledger;
  readonly naming: AccountNaming;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Writes of users. All throw `ScimError` and `ConduitError`. */
export interface UserWriter {
  create(state: ResourceState): Promise<StoredResource>;
  update(id: string, update: ResourceUpdate): Promise<StoredResource>;
  delete(id: string, check: (current: StoredResource) => void): Promise<void>;
  /** The user as it is now; undefined for one that is not there. */
  look(id: string): Promise<HeldUser | undefined>;
  /** Makes or finds the account of a pending user, now that it may be there; a sentence where one must not be linked. */
  link(user: HeldUser): Promise<string | undefined>;
}

/** Makes the writer of users. */
export function createUserWriter(options: UserWriterOptions): UserWriter {
  return {
    look: (id) => lookUser(options, id),
    create: async ({ attributes }) => show(options, await createUser(options, attributes)),
    update: async (id, update) => show(options, await updateUser(options, id, update), update.returns.derived),
    delete: (id, check) => deleteUser(options, id, check),
    link: (user) => linkUser(options, user),
  };
}

function show({ ledger }: UserWriterOptions, user: HeldUser, derived: readonly string[] = []): StoredResource {
  return toStoredUser(ledger.get(), user, { members: "none", derived });
}

async function lookUser({ phabricator, ledger }: UserWriterOptions, id: string): Promise<HeldUser | undefined> {
  const held = ledger.get().users.get(id);
  if (held === undefined || isPending(held)) return held;
  const [account] = await phabricator.accounts.find({ phids: [held.account] });
  if (account === undefined) {
    // Destroyed by an administrator of the server.
    await ledger.drop(id);
    return undefined;
  }
  const user = ledger.noteAccount(held, account);
  return isDeleted(user) ? undefined : user;
}

async function getUser(options: UserWriterOptions, id: string): Promise<HeldUser> {
  const user = await lookUser(options, id);
  if (user === undefined) throw new ScimError(404, `no User with id ${id}`);
  return user;
}

async function createUser(options: UserWriterOptions, attributes: JsonObject): Promise<HeldUser> {
  const { phabricator, ledger, naming } = options;
  const email = requireEmail(attributes);
  await requireFreeName(options, attributes, undefined);
  const at = new Date(options.now()).toISOString();
  const held = { version: 0, created: at, lastModified: at, attributes, account: "", native: {} };
  if (!(await phabricator.extension.isInstalled())) return keepPending(options, { ...held, id: uuidv7() }, attributes);
  const userName = toUserName(naming, attributes);
  const wanted = { userName, email, realName: toRealName(attributes), isBot: isBot(attributes) };
  const made = await phabricator.accounts.create(wanted);
  // Noted at once: the next request finds it, also when what follows is refused.
  ledger.noteAccount(undefined, made);
  await ledger.save();
  const account = await applyUser(options, made.phid, { before: {}, after: attributes });
  return settle(options, { ...held, id: made.phid, version: 1, account: made.phid, attributes }, account);
}

async function updateUser(
  options: UserWriterOptions,
  id: string,
  { change }: Pick<ResourceUpdate, "change">,
): Promise<HeldUser> {
  const { naming } = options;
  const held = await getUser(options, id);
  if (isPending(held)) {
    // It is shown as inactive, and changed as what its client asked for.
    const asked = { ...held, attributes: { ...held.attributes, active: wantsActive(held) } };
    return keepPending(options, held, change(show(options, asked)).attributes);
  }
  const wanted = change(show(options, held)).attributes;
  if (isDeepStrictEqual(wanted, held.attributes)) return held;
  if (toUserName(naming, wanted) !== toUserName(naming, held.attributes)) await requireFreeName(options, wanted, id);
  const account = await applyUser(options, held.account, { before: held.attributes, after: wanted });
  const lastModified = new Date(options.now()).toISOString();
  return settle(options, { ...held, version: held.version + 1, lastModified, attributes: wanted }, account);
}

/** How often an account is written that reads back otherwise: see `applyUser`. */
const maxRounds = 3;

/**
 * Makes the account what the attributes say, and returns it as it reads back. Phabricator itself may undo a write: who
 * composes a user's image saves the user as it was when loaded, a disabled one as enabled. So it is written again.
 * @throws ConduitError where it reads back otherwise in the end
 */
async function applyUser(
  options: UserWriterOptions,
  phid: string,
  change: { readonly before: JsonObject; readonly after: JsonObject },
): Promise<Account> {
  const { phabricator, naming } = options;
  let account = await getAccount(options, phid);
  let edit = toAccountEdit(account, { ...change, naming });
  for (let round = 1; round <= maxRounds && Object.keys(edit).length > 0; round += 1) {
    await applyEdit(phabricator, account, edit);
    account = await getAccount(options, phid);
    edit = toAccountEdit(account, { before: change.after, after: withoutPassword(change.after), naming });
  }
  requireRead(account, edit);
  return account;
}

/** Keeps what was written, as it was read back. */
async function settle({ ledger }: UserWriterOptions, held: HeldUser, account: Account): Promise<HeldUser> {
  const user = { ...held, attributes: withoutPassword(held.attributes), native: {} };
  await ledger.putUser(user);
  const seen = ledger.noteAccount(user, account);
  await ledger.save();
  return seen;
}

async function deleteUser(
  options: UserWriterOptions,
  id: string,
  check: (current: StoredResource) => void,
): Promise<void> {
  const { phabricator, ledger } = options;
  const held = await getUser(options, id);
  check(show(options, held));
  if (isPending(held)) return ledger.drop(id);
  await applyUser(options, held.account, { before: held.attributes, after: { ...held.attributes, active: false } });
  for (const { phid } of await phabricator.projects.listOf(held.account)) {
    await phabricator.projects.edit(phid, { removeMembers: [held.account] });
    const [project] = await phabricator.projects.find([phid]);
    if (project?.isArchived === false) ledger.noteProject(undefined, project);
  }
  await ledger.putUser({ ...held, attributes: { ...held.attributes, active: false }, native: { isDeleted: true } });
}

async function linkUser(options: UserWriterOptions, user: HeldUser): Promise<string | undefined> {
  const { phabricator, ledger, naming } = options;
  const userName = toUserName(naming, user.attributes);
  const email = findEmail(user.attributes) ?? "";
  const found = (await phabricator.accounts.find({ userNames: [userName] })).at(0);
  // A name alone proves nothing: anybody may have registered it.
  if (found !== undefined && !(await phabricator.accounts.hasEmail(found, email)))
    return `the account @${userName} has not proved the address of the user ${user.id}, so that it is not linked`;
  if (found === undefined && !(await phabricator.extension.isInstalled())) return undefined;
  const wanted = { userName, email, realName: toRealName(user.attributes), isBot: isBot(user.attributes) };
  const { phid } = found ?? (await phabricator.accounts.create(wanted));
  // What else the account has stays as its owner made it; whether to approve it is an administrator's business.
  if (!wantsActive(user)) await phabricator.accounts.edit(phid, { isDisabled: true });
  const linked = { ...user, account: phid, native: {} };
  await ledger.putUser(linked);
  ledger.noteAccount(linked, await getAccount(options, phid));
  await ledger.save();
  return undefined;
}

async function getAccount({ phabricator }: UserWriterOptions, phid: string): Promise<Account> {
  const [account] = await phabricator.accounts.find({ phids: [phid] });
  if (account !== undefined) return account;
  throw new ConduitError("user.search", { kind: "failed", reason: `the account ${phid} is not there` });
}

function withoutPassword(attributes: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== "password"));
}

async function keepPending(options: UserWriterOptions, held: HeldUser, wanted: JsonObject): Promise<HeldUser> {
  requireEmail(wanted);
  await requireFreeName(options, wanted, held.id);
  const attributes = toPendingAttributes(wanted);
  const native = { wantsActive: wanted["active"] !== false };
  if (isDeepStrictEqual({ attributes, native }, { attributes: held.attributes, native: held.native })) return held;
  const lastModified = new Date(options.now()).toISOString();
  const user = { ...held, attributes, native, version: held.version + 1, lastModified };
  await options.ledger.putUser(user);
  return user;
}

function wantsActive({ native }: HeldUser): boolean {
  return native["wantsActive"] !== false;
}

/** Disabling comes first and stays, also where the rest is refused. */
async function applyEdit(phabricator: Phabricator, account: Account, edit: AccountEdit): Promise<void> {
  const { isDisabled, isApproved, ...rest } = edit;
  const needsExtension = Object.keys(rest).length > 0;
  if (isDisabled === true) await phabricator.accounts.edit(account.phid, { isDisabled });
  if (needsExtension) await phabricator.extension.require(`change ${listWords(rest)} of a user`);
  await phabricator.accounts.edit(account.phid, {
    ...rest,
    ...(isDisabled === false ? { isDisabled } : {}),
    ...(isApproved === undefined ? {} : { isApproved }),
  });
}

const words: Readonly<Record<string, string>> = {
  userName: "the name",
  email: "the address",
  realName: "the real name",
  vcsPassword: "the password",
  sshKeys: "the public keys",
};

function listWords(edit: AccountEdit): string {
  return Object.keys(edit)
    .map((key) => words[key] ?? key)
    .join(", ");
}

/** @throws ConduitError where something is still to be done to the account */
function requireRead(account: Account, left: AccountEdit): void {
  if (Object.keys(left).length === 0) return;
  const reason = `the account @${account.userName} reads back otherwise: ${Object.keys(left).join(", ")}`;
  throw new ConduitError("user.search", { kind: "failed", reason });
}

async function requireFreeName(
  options: UserWriterOptions,
  attributes: JsonObject,
  id: string | undefined,
): Promise<void> {
  const { phabricator, ledger, naming } = options;
  const name = toUserName(naming, attributes);
  const [account] = await phabricator.accounts.find({ userNames: [name] });
  const own = id === undefined ? undefined : ledger.get().users.get(id)?.account;
  // An account in the name of a pending user is its own to be, see `linkUser`.
  if (account !== undefined && account.phid !== own && own !== "") {
    const holder = ledger.noteAccount(undefined, account);
    const isGone = isDeleted(holder) ? ", of a user that was deleted: enable it in Phabricator to take it back" : "";
    throw new ScimError(409, `the account @${account.userName} exists${isGone}`, "uniqueness");
  }
  for (const user of ledger.get().users.values()) {
    if (user.id === id || !isPending(user)) continue;
    if (toUserName(naming, user.attributes).toLowerCase() === name.toLowerCase())
      throw new ScimError(409, `a user with the name ${name} waits for its account already`, "uniqueness");
  }
}

function isBot({ userType }: JsonObject): boolean {
  return typeof userType === "string" && userType.toLowerCase() === "bot";
}

function requireEmail(attributes: JsonObject): string {
  const email = findEmail(attributes);
  if (email !== undefined) return email;
  throw new ScimError(400, "emails: Phabricator makes no account without an address", "invalidValue");
}
