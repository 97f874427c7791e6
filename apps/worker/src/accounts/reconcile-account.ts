/** `account.reconcile`: one user's account at one endpoint, under a lease. The job says only *look*. */
import {
  AppError,
  type KnownAttributes,
  sshKeysSchema,
  UnavailableError,
  USUAL_ATTRIBUTES,
  type UserId,
} from "@branchward/core";
import type { JobRun, Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import { type ScimClient, ScimClientError } from "@branchward/scim";
import {
  type AccountLease,
  type ActivePolicy,
  acquireAccountLease,
  type Database,
  failAccount,
  findAccountLink,
  listHeldBy,
  listUsersById,
  type Queryable,
  raiseFinding,
  renewAccountLease,
  requestAccountsOf,
  type RequestedAccount,
  requestScopes,
  resolveFinding,
  settleAccount,
  takeWaitingScopes,
} from "@branchward/store";
import { isGateRefusal } from "../endpoint/breaker.ts";
import { type Endpoint, toUpstreamError } from "../endpoint/endpoint.ts";
import { createVersions } from "../endpoint/versions.ts";
import { isWithheld } from "../revoke/is-withheld.ts";
import { bringAccount, type BroughtAccount } from "./bring-account.ts";

export interface AccountDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly activePolicy: ActivePolicy;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly log: Logger;
}

/** What closing an account needs of them. */
type ClosingDeps = Pick<AccountDeps, "db" | "endpoints"> & { readonly queues: Pick<Queues, "enqueueReconcile"> };

/** Longer than the 10 s that a call may take, as for scopes: renewed before each write. */
const LEASE_MS = 30_000;
/** A user who changed while a run worked is looked at again by the same run, so often. */
const MAX_TURNS = 3;
const RETRY_FIRST_MS = 1_000;
const RETRY_CAP_MS = 5 * 60_000;

/** Brings one account to what the directory says; ends at once when another run has the lease, which will look again. */
export function createReconcileAccount(deps: AccountDeps) {
  return async (request: { readonly endpoint: string; readonly userId: string }, run: JobRun): Promise<void> => {
    const account = { endpoint: request.endpoint, userId: request.userId as UserId };
    for (let turn = 1; ; turn += 1) {
      const lease = await acquireAccountLease(deps.db, account, LEASE_MS);
      if (lease === undefined) return;
      const requestedNow = await reconcileUnderLease(deps, lease, run);
      if (requestedNow === undefined || requestedNow <= lease.requested) return;
      if (turn === MAX_TURNS) return deps.queues.enqueueAccount(account);
    }
  };
}

/**
 * Closes the account of a user whom the directory says to be inactive or gone, before the groups follow (rule C3). A run
 * that works on the account already looks again.
 * @throws {AppError} when it could not be closed yet
 */
export async function deactivateAccount(deps: ClosingDeps, account: RequestedAccount): Promise<void> {
  const endpoint = deps.endpoints.get(account.endpoint);
  if (endpoint === undefined || endpoint.accounts === null) return;
  await requestAccountsOf(deps.db, [account.userId]);
  const lease = await acquireAccountLease(deps.db, account, LEASE_MS);
  if (lease === undefined) return;
  try {
    await settle(deps, lease, await look(endpoint, deps.db, lease));
  } catch (error) {
    await noteFailure(deps, lease, error);
    throw error;
  }
}

async function reconcileUnderLease(deps: AccountDeps, lease: AccountLease, run: JobRun): Promise<number | undefined> {
  const endpoint = deps.endpoints.get(lease.endpoint);
  try {
    // No longer in the configuration, or its accounts no longer ours to keep; or one of too many who were deactivated at
    // once: the revocation closes the account when that is approved (rule C2).
    const isLeft = endpoint === undefined || endpoint.accounts === null || (await isKeptOpen(deps, lease.userId));
    return await settle(deps, lease, isLeft ? undefined : await look(endpoint, deps.db, lease));
  } catch (error) {
    await noteFailure(deps, lease, error);
    const isRetried = !(error instanceof AppError) || error.retry === "backoff";
    if (isRetried && !run.lastAttempt) throw error;
    deps.log[isGateRefusal(error) ? "debug" : "warn"](
      { err: error, endpoint: lease.endpoint, userId: lease.userId },
      "account not reconciled",
    );
    return undefined;
  }
}

async function isKeptOpen(deps: AccountDeps, userId: UserId): Promise<boolean> {
  const [user] = await listUsersById(deps.db, [userId]);
  return user?.active !== true && (await isWithheld(deps, userId));
}

/** One look at the endpoint; undefined when nothing is known of the account any more. */
async function look(endpoint: Endpoint, db: Database, lease: AccountLease): Promise<BroughtAccount | undefined> {
  const link = await findAccountLink(db, lease);
  if (link === undefined || endpoint.accounts === null) return undefined;
  const [owner] = await listUsersById(db, [lease.userId]);
  const client = endpoint.connect(() => undefined, {
    lane: owner?.active === true ? "reconcile" : "revocation",
    beforeWrite: () => holdLease(db, lease),
  });
  try {
    const known = await readKnownAttributes(client);
    const versions = createVersions({ failures: lease.failures, read: (id) => client.getUser(id) });
    return await bringAccount({ db, client, versions, lease, link, owner, known, adopt: endpoint.accounts.adopt });
  } catch (error) {
    throw toUpstreamError(error);
  }
}

async function holdLease(db: Database, lease: AccountLease): Promise<void> {
  if (await renewAccountLease(db, lease, LEASE_MS)) return;
  throw new UnavailableError("the lease of the account was lost to another run", { code: "lease_lost" });
}

const USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User";

/** An endpoint that does not tell its schemas is given what nearly all take. */
async function readKnownAttributes(client: ScimClient): Promise<KnownAttributes> {
  try {
    const schemas = await client.schemas();
    const user = schemas.find(({ id }) => id === USER_SCHEMA);
    if (user === undefined) return USUAL_ATTRIBUTES;
    const extensions = schemas.filter(({ id }) => isUserExtension(id));
    return {
      user: new Set(user.attributes),
      extensions: new Map(extensions.map(({ id, attributes }) => [id, new Set(attributes)])),
    };
  } catch (error) {
    if (
      error instanceof ScimClientError &&
      error.kind === "http" &&
      (error.status ?? 500) < 500 &&
      error.status !== 429
    )
      return USUAL_ATTRIBUTES;
    throw error;
  }
}

/** A schema does not say whose extension it is; usual names do, and keys are for endpoints that ask for them so. */
function isUserExtension(id: string): boolean {
  return id === sshKeysSchema || (id.includes(":extension:") && id.endsWith(":User"));
}

/** Records the outcome, and asks for the scopes that waited for it. */
async function settle(
  { db, queues }: Pick<ClosingDeps, "db" | "queues">,
  lease: AccountLease,
  outcome: BroughtAccount | undefined,
): Promise<number | undefined> {
  const link = await findAccountLink(db, lease);
  if (link === undefined) return undefined;
  const { requested, scopes } = await db.transaction().execute(async (trx) => {
    const now = await settleAccount(trx, lease, outcome ?? link);
    if (now === undefined || outcome === undefined) return { requested: now, scopes: [] };
    await noteFindings(trx, lease, outcome);
    const waiting = outcome.state === "linked" ? await takeWaitingScopes(trx, lease) : [];
    // Groups that hold the one it was hold nobody by it.
    const isAnother = link.accountId !== null && outcome.accountId !== link.accountId;
    const holding = isAnother ? await listHoldingScopes(trx, lease) : [];
    return { requested: now, scopes: await requestScopes(trx, [...new Set([...waiting, ...holding])], "account") };
  });
  for (const { id, endpoint } of scopes) await queues.enqueueReconcile({ scopeId: id, endpoint, lane: "event" });
  return requested;
}

async function listHoldingScopes(trx: Queryable, { endpoint, userId }: RequestedAccount): Promise<readonly string[]> {
  const held = await listHeldBy(trx, userId);
  return held.filter((one) => one.endpoint === endpoint).map(({ scopeId }) => scopeId);
}

const STATE_FINDINGS = {
  ambiguous:
    "several accounts could be this user's, or the name is taken by one that is not shown: give one of them the user's id as externalId, or remove the others",
  quarantined:
    "the account of this name was another user's, who was deleted or holds it: rename or remove that account at the endpoint, and the user gets one of their own",
} as const;

async function noteFindings(
  db: Parameters<typeof raiseFinding>[0],
  lease: AccountLease,
  { state, userName, differing }: BroughtAccount,
): Promise<void> {
  const subject = `${lease.endpoint}/${userName}`;
  for (const one of ["ambiguous", "quarantined"] as const) {
    if (state === one)
      await raiseFinding(db, {
        kind: `account-${one}`,
        subject,
        severity: "warning",
        message: `${STATE_FINDINGS[one]}; it is looked at again every 5 min, and at once by branchward recheck`,
      });
    else await resolveFinding(db, `account-${one}`, subject);
  }
  await resolveFinding(db, "account-diverged", subject);
  if (differing.length === 0) return resolveFinding(db, "account-differs", subject);
  await raiseFinding(db, {
    kind: "account-differs",
    subject,
    severity: "info",
    message: `the endpoint keeps ${differing.join(", ")} otherwise than it was told: nobody's access hangs on it; see there who else writes accounts, or that its schemas name what it takes`,
  });
}

async function noteFailure({ db }: Pick<AccountDeps, "db">, lease: AccountLease, error: unknown): Promise<void> {
  const asked = error instanceof AppError && typeof error.retry === "object" ? error.retry.afterMs : undefined;
  const message = error instanceof AppError ? error.message : "the run failed here; the log has the cause";
  const afterMs = asked ?? Math.min(RETRY_FIRST_MS * 2 ** Math.min(lease.failures, 20), RETRY_CAP_MS);
  await failAccount(db, lease, { error: message, afterMs });
  if (!(error instanceof AppError) || error.code !== "account_diverged") return;
  const link = await findAccountLink(db, lease);
  await raiseFinding(db, {
    kind: "account-diverged",
    subject: `${lease.endpoint}/${link?.userName ?? lease.userId}`,
    severity: "critical",
    message: `${message}: the endpoint's success was not true; see there who changes accounts, it is tried again`,
  });
}
