/** Which user of the endpoint each person of a scope is (rule C5): what is stored, else what a look shows. */
import { type AccountHit, AppError, decideAccount, type Desired, type UserId } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { ScimClient } from "@branchward/scim";
import {
  type AccountFinding,
  type AccountLink,
  type Database,
  forgetAccountLooks,
  isNameQuarantined,
  listAccountLinks,
  listTakenAccounts,
  requestAccountsOf,
  requestMissingAccounts,
  saveFoundAccounts,
} from "@branchward/store";
import { type Endpoint, toUpstreamError } from "../endpoint/endpoint.ts";
import { findAccountsByExternalId, findAccountsByUserName, readAccount } from "./endpoint-accounts.ts";

export interface AccountLookupDeps {
  readonly db: Database;
  readonly queues: Pick<Queues, "enqueueAccount">;
  readonly endpoint: Endpoint;
  readonly scopeId: string;
}

export interface AccountQuestion {
  readonly desired: Desired;
  readonly userNames: ReadonlyMap<UserId, string>;
}

export interface AccountLookup {
  /** The endpoint's id of a user; undefined for nobody there. */
  readonly accountOf: (userId: UserId) => string | undefined;
  /** Whether it is an account that we closed, and have not opened again yet. */
  readonly isClosed: (userId: UserId) => boolean;
}

/** Look-ups under way at once in one run. */
const PARALLEL = 4;
/**
 * A link is believed for a day, and dropped sooner when the endpoint does not know the account. Who has none may get one
 * by other ways, at any time: a look costs two calls, so that 1,000 of them cost some 7 calls a second.
 */
const MAX_AGE_MS = { linked: 24 * 3_600_000, other: 5 * 60_000 };

/** Answers for everybody whom the scope grants something or keeps something from. No single hit: no account. */
export async function createAccountLookup(
  client: ScimClient,
  deps: AccountLookupDeps,
  { desired, userNames }: AccountQuestion,
): Promise<AccountLookup> {
  const { db, endpoint } = deps;
  if (endpoint.builtin) return { accountOf: (userId) => userId, isClosed: () => false };
  const members = new Set(desired.entitlements.flatMap((group) => group.members.map((member) => member.userId)));
  const wanted = new Set<UserId>([...members, ...desired.exclusions.map((exclusion) => exclusion.userId)]);
  const links = await listAccountLinks(db, { endpoint: endpoint.name, userIds: [...wanted], maxAgeMs: MAX_AGE_MS });
  const isKept = endpoint.accounts !== null;
  const accounts = new Map(
    links.flatMap(({ userId, state, accountId }) =>
      state === "linked" && accountId !== null ? [[userId, accountId]] : [],
    ),
  );
  if (isKept) {
    const closed = new Set(links.flatMap(({ userId, deactivatedByUs }) => (deactivatedByUs ? [userId] : [])));
    const awaited = [...members].filter((userId) => !accounts.has(userId) || closed.has(userId));
    await requestAccounts(deps, awaited, userNames);
    return { accountOf: (userId) => accounts.get(userId), isClosed: (userId) => closed.has(userId) };
  }
  const known = new Map(links.map((link) => [link.userId, link]));
  const stale = [...wanted].filter((userId) => known.get(userId)?.isFresh !== true);
  const found = await lookUpAll(
    client,
    deps,
    stale.map((userId) => ({ userId, userName: userNames.get(userId), link: known.get(userId) })),
  );
  for (const { userId, state, accountId } of found) {
    if (state === "linked" && accountId !== null) accounts.set(userId, accountId);
    else accounts.delete(userId);
  }
  return { accountOf: (userId) => accounts.get(userId), isClosed: () => false };
}

/** Has the missing accounts made, and the closed ones opened; the scope is asked for again when they are. */
async function requestAccounts(
  { db, queues, endpoint, scopeId }: AccountLookupDeps,
  missing: readonly UserId[],
  userNames: ReadonlyMap<UserId, string>,
): Promise<void> {
  const users = missing.map((userId) => ({ userId, userName: userNames.get(userId) ?? "" }));
  const requested = await db
    .transaction()
    .execute((trx) => requestMissingAccounts(trx, { endpoint: endpoint.name, scopeId, users }));
  for (const request of requested) await queues.enqueueAccount(request);
}

interface Sought {
  readonly userId: UserId;
  readonly userName: string | undefined;
  readonly link: AccountLink | undefined;
}

/** Looks, and keeps what was found for the next run. */
async function lookUpAll(
  client: ScimClient,
  deps: AccountLookupDeps,
  sought: readonly Sought[],
): Promise<readonly AccountFinding[]> {
  const pending = [...sought];
  const found: AccountFinding[] = [];
  const work = async (): Promise<void> => {
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) found.push(await lookUp(client, deps, one));
  };
  await Promise.all(Array.from({ length: PARALLEL }, work)).catch((error: unknown) => {
    throw toUpstreamError(error);
  });
  const settled = withoutTwins(found);
  await saveFoundAccounts(deps.db, settled);
  return settled;
}

async function lookUp(
  client: ScimClient,
  { db, endpoint }: AccountLookupDeps,
  { userId, userName = "", link }: Sought,
): Promise<AccountFinding> {
  const base = { endpoint: endpoint.name, userId, userName };
  if (link?.state === "linked" && link.accountId !== null) {
    const there = await readAccount(client, link.accountId);
    if (there !== undefined) return { ...base, state: "linked", accountId: link.accountId };
  }
  const byExternalId = await findAccountsByExternalId(client, userId);
  // Some endpoints ignore a filter and answer with everybody.
  const isFound = byExternalId.some(({ externalId }) => externalId === userId);
  const byUserName = isFound || userName === "" ? [] : await findAccountsByUserName(client, userName);
  const accountIds = [...byExternalId, ...byUserName].map((hit: AccountHit) => hit.id);
  const decision = decideAccount({
    user: { id: userId, userName },
    byExternalId,
    byUserName,
    taken: await listTakenAccounts(db, { endpoint: endpoint.name, userId, accountIds }),
    rejected: new Set(),
    // Where accounts are not kept, nobody may have closed that of a deleted user: a namesake's access would be the other's.
    isNameQuarantined: byUserName.length > 0 && (await isNameQuarantined(db, userName)),
    // Nothing is written to an account that is not kept: its owner is who bears the name there.
    adopt: "auto",
  });
  if (decision.kind === "none") return { ...base, state: "missing", accountId: null };
  return { ...base, state: decision.kind, accountId: "accountId" in decision ? decision.accountId : null };
}

/** One account for two users is nobody's. */
function withoutTwins(found: readonly AccountFinding[]): readonly AccountFinding[] {
  const owners = Map.groupBy(found, ({ accountId }) => accountId);
  return found.map((one) => {
    const isTwin = one.accountId !== null && (owners.get(one.accountId)?.length ?? 0) > 1;
    return isTwin ? { ...one, state: "ambiguous", accountId: null } : one;
  });
}

/**
 * Has the accounts of these users looked at again before the next write: one that is gone may be why the endpoint refused
 * a member, or did not keep it.
 */
export async function doubtAccounts(
  { db, queues, endpoint }: Omit<AccountLookupDeps, "scopeId">,
  userIds: readonly UserId[],
  error?: unknown,
): Promise<void> {
  const isRefusal = error instanceof AppError && UNKNOWN_MEMBER.has(error.details["status"]);
  if (endpoint.builtin || userIds.length === 0 || (error !== undefined && !isRefusal)) return;
  if (endpoint.accounts === null) return forgetAccountLooks(db, endpoint.name, userIds);
  for (const request of await requestAccountsOf(db, userIds)) await queues.enqueueAccount(request);
}

/** How endpoints say that they do not know a member. */
const UNKNOWN_MEMBER = new Set<unknown>([400, 404, 409, 422]);
