/** What one look at an account does at the endpoint: find or make it, bring it to the directory's user, read it back. */
import { randomBytes } from "node:crypto";
import {
  type AccountDecision,
  type AccountOwner,
  decideAccount,
  foldName,
  type KnownAttributes,
  listProfilePaths,
  planKeyRemovals,
  planProfileChanges,
  toAccountProfile,
  UpstreamError,
  type UserId,
} from "@branchward/core";
import { type ScimClient, ScimClientError } from "@branchward/scim";
import {
  type AccountLease,
  type AccountLink,
  type AccountOutcome,
  type Database,
  isNameQuarantined,
  listTakenAccounts,
  noteAccount,
} from "@branchward/store";
import type { Versions } from "../endpoint/versions.ts";
import {
  changeAccount,
  type EndpointAccount,
  findAccountsByExternalId,
  findAccountsByUserName,
  readAccount,
} from "./endpoint-accounts.ts";

export interface AccountRun {
  readonly db: Database;
  readonly client: ScimClient;
  /** Of the accounts of the endpoint. */
  readonly versions: Versions;
  readonly lease: AccountLease;
  readonly link: AccountLink;
  /** Undefined when the directory's user was deleted. */
  readonly owner: (AccountOwner & { readonly id: UserId }) | undefined;
  readonly known: KnownAttributes;
  readonly adopt: "review" | "auto";
}

/** What a run reached. */
export interface BroughtAccount extends AccountOutcome {
  /** Attributes that read otherwise than they were written; nobody's access hangs on them. */
  readonly differing: readonly string[];
}

/** @throws {UpstreamError} `account_diverged` when the account, read back, has another name or state than was written */
export async function bringAccount(run: AccountRun): Promise<BroughtAccount> {
  const { link, owner } = run;
  const sought = await seekAccount(run);
  const base = { ...link, userName: owner?.userName ?? link.userName, differing: [] };
  if (sought.account === undefined) {
    const state = owner === undefined ? "ended" : sought.state;
    return { ...base, state, accountId: sought.accountId };
  }
  const { account } = sought;
  run.versions.show(account.id, account.version);
  const state = owner === undefined ? "ended" : "linked";
  if (owner?.active !== true) {
    return { ...base, ...(await closeAccount(run, account)), state, accountId: account.id };
  }
  const opened = await openAccount(run, owner, account);
  const createdByUs = link.createdByUs || sought.isNew;
  return { ...base, ...opened, state, accountId: account.id, createdByUs };
}

type Sought =
  | { readonly account: EndpointAccount; readonly isNew: boolean }
  | { readonly account: undefined; readonly state: AccountOutcome["state"]; readonly accountId: string | null };

/** By the stored link, else as the rule says; made when there is none and the user is active. */
async function seekAccount(run: AccountRun): Promise<Sought> {
  const { client, link, owner } = run;
  if (link.state === "linked" && link.accountId !== null) {
    const account = await readAccount(client, link.accountId);
    if (account !== undefined) return { account, isNew: false };
  }
  const found = await findAccounts(run);
  const decision = await decide(run, found);
  const account = "accountId" in decision ? found.all.find(({ id }) => id === decision.accountId) : undefined;
  if (decision.kind === "linked" && account !== undefined) return { account, isNew: false };
  if (decision.kind === "none" && owner?.active === true) return createAccount(run, owner);
  const state = decision.kind === "none" ? "missing" : decision.kind;
  return { account: undefined, state, accountId: account?.id ?? null };
}

interface FoundAccounts {
  readonly byExternalId: readonly EndpointAccount[];
  readonly byUserName: readonly EndpointAccount[];
  readonly all: readonly EndpointAccount[];
}

async function findAccounts({ client, lease, owner }: AccountRun): Promise<FoundAccounts> {
  const byExternalId = await findAccountsByExternalId(client, lease.userId);
  // Of a deleted user nothing but what surely was theirs is touched.
  const isNamed = byExternalId.every(({ externalId }) => externalId !== lease.userId) && owner !== undefined;
  const byUserName = isNamed ? await findAccountsByUserName(client, owner.userName) : [];
  return { byExternalId, byUserName, all: [...byExternalId, ...byUserName] };
}

async function decide({ db, lease, link, owner, adopt }: AccountRun, found: FoundAccounts): Promise<AccountDecision> {
  const userName = owner?.userName ?? link.userName;
  const accountIds = found.all.map(({ id }) => id);
  return decideAccount({
    ...found,
    user: { id: lease.userId, userName },
    taken: await listTakenAccounts(db, { ...lease, accountIds }),
    rejected: new Set(link.state === "rejected" && link.accountId !== null ? [link.accountId] : []),
    isNameQuarantined: found.byUserName.length > 0 && (await isNameQuarantined(db, userName)),
    adopt,
  });
}

async function createAccount({ db, client, lease, known }: AccountRun, owner: AccountOwner): Promise<Sought> {
  const schemas = ["urn:ietf:params:scim:schemas:core:2.0:User", ...known.extensions.keys()];
  const profile = toAccountProfile(owner, known);
  const body = {
    ...profile,
    schemas: schemas.filter((uri) => !uri.includes(":extension:") || uri in profile),
    active: true,
  };
  try {
    const created = await client.createUser(body);
    await noteAccount(db, lease, { createdByUs: true });
    const account = await readAccount(client, created.id);
    if (account === undefined) throw diverged("is not there after it was made");
    return { account, isNew: true };
  } catch (error) {
    if (!(error instanceof ScimClientError)) throw error;
    // The name is somebody's whom the filters do not show: nothing is guessed.
    if (error.status === 409) return { account: undefined, state: "ambiguous", accountId: null };
    if (!error.outcomeUnknown) throw error;
    const [made, another] = (await findAccountsByExternalId(client, lease.userId)).filter(
      ({ externalId }) => externalId === lease.userId,
    );
    if (made === undefined || another !== undefined) throw error;
    return { account: made, isNew: true };
  }
}

/** Noted among what we wrote, which an account that is opened again forgets. */
const PASSWORD = "password";

/** Deactivates an account, then takes keys and password away. */
async function closeAccount(
  run: AccountRun,
  account: EndpointAccount,
): Promise<Pick<BroughtAccount, "written" | "deactivatedByUs">> {
  const { db, client, lease, link } = run;
  const isOpen = account.active !== false;
  if (isOpen) {
    // Noted before: after an unknown outcome it is still we who closed it.
    await noteAccount(db, lease, { deactivatedByUs: true });
    await changeAccount(run, account, [{ op: "replace", path: "active", value: false }]);
  }
  await changeAccount(run, account, planKeyRemovals(account.resource));
  const deactivatedByUs = isOpen || link.deactivatedByUs;
  // A run that was cut off after the account was closed may have left it the old one.
  const hasOld = lease.failures > 0 || !link.written.includes(PASSWORD);
  if (isOpen || (deactivatedByUs && hasOld)) await replacePassword(run, account);
  const after = await readAccount(client, account.id);
  if (after !== undefined && after.active !== false) throw diverged("was deactivated and does not say so");
  if (after !== undefined && planKeyRemovals(after.resource).length > 0)
    throw diverged("was locked and keeps its keys");
  return { deactivatedByUs, written: [...new Set([...link.written, ...(deactivatedByUs ? [PASSWORD] : [])])] };
}

/** A password cannot be read, and not every endpoint has one: what refuses a new one is left as it is. */
async function replacePassword(run: AccountRun, account: EndpointAccount): Promise<void> {
  const value = randomBytes(32).toString("base64url");
  try {
    await changeAccount(run, account, [{ op: "replace", path: PASSWORD, value }]);
  } catch (error) {
    if (!(error instanceof ScimClientError) || isPassing(error)) throw error;
  }
}

/** Nothing that the endpoint has against the password itself. */
function isPassing({ status = 500 }: ScimClientError): boolean {
  return status >= 500 || status === 429 || status === 412;
}

async function openAccount(
  run: AccountRun,
  owner: AccountOwner,
  account: EndpointAccount,
): Promise<Pick<BroughtAccount, "written" | "deactivatedByUs" | "differing">> {
  const { db, client, lease, link, known } = run;
  const profile = toAccountProfile(owner, known);
  const changes = planProfileChanges({ profile, actual: account.resource, written: link.written });
  // Who else closed an account keeps it closed (rule C5).
  const isOurs = account.active === false && link.deactivatedByUs;
  const opening = isOurs ? [{ op: "replace", path: "active", value: true } as const] : [];
  await changeAccount(run, account, [...changes, ...opening]);
  const isWritten = changes.length + opening.length > 0;
  const { resource } = isWritten ? await readOpened(client, { account, owner, isOurs }) : account;
  const differing = planProfileChanges({ profile, actual: resource, written: link.written }).map(({ path }) => path);
  if (isOurs) await noteAccount(db, lease, { deactivatedByUs: false });
  return { written: listProfilePaths(profile), deactivatedByUs: false, differing };
}

/** The account as it reads after the write, whose name and state are what was written. */
async function readOpened(
  client: ScimClient,
  {
    account,
    owner,
    isOurs,
  }: { readonly account: EndpointAccount; readonly owner: AccountOwner; readonly isOurs: boolean },
): Promise<EndpointAccount> {
  const after = await readAccount(client, account.id);
  if (after === undefined) throw diverged("is not there after it was written");
  if (foldName(after.userName) !== foldName(owner.userName)) throw diverged(`still bears the name ${after.userName}`);
  if (isOurs && after.active === false) throw diverged("was activated and does not say so");
  return after;
}

function diverged(what: string): UpstreamError {
  return new UpstreamError(`the account ${what}`, { code: "account_diverged", expose: true });
}
