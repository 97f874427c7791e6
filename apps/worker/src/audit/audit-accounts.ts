/** The accounts of an endpoint where they are ours to keep: what others opened, closed, renamed or removed is looked at (rules C5, C9). */
import { UpstreamError } from "@branchward/core";
import { ScimClientError } from "@branchward/scim";
import {
  auditAccounts,
  type AuditRound,
  type Database,
  type ListedAccount,
  type Queryable,
  raiseFinding,
  type RequestedAccount,
  requestUnseenAccounts,
  resolveFinding,
} from "@branchward/store";
import type { Endpoint } from "../endpoint/endpoint.ts";

export interface AccountPage {
  readonly accounts: readonly ListedAccount[];
  /** Where the next page begins; undefined after the last. */
  readonly next: string | undefined;
  /** False where the list ends before it is whole: who is not on it may be there all the same. */
  readonly isWhole: boolean;
}

const UNREADABLE = "accounts-unreadable";

/**
 * Reads a page. Accounts that cannot be listed end the list, and stand as a finding: the groups of the endpoint wait for
 * their next round as ever.
 * @throws {UpstreamError} where the endpoint is not to be asked now
 */
export async function readAccountPage(
  db: Database,
  endpoint: Endpoint,
  page: { readonly position: string | undefined; readonly pageSize: number },
): Promise<AccountPage> {
  const { name } = endpoint;
  const client = endpoint.connect(() => undefined, { lane: "audit" });
  try {
    const { resources, next } = await client.readUserPage(page);
    await resolveFinding(db, UNREADABLE, name);
    const accounts = resources.map(({ id, userName, active = null }) => ({ id, userName, active }));
    return { accounts, next, isWhole: next === undefined };
  } catch (error) {
    if (!(error instanceof ScimClientError)) throw error;
    const { retryAfterMs: afterMs, message } = error;
    if (afterMs !== undefined)
      throw new UpstreamError(`the audit cannot read accounts: ${message}`, { cause: error, retry: { afterMs } });
    await raiseFinding(db, {
      kind: UNREADABLE,
      subject: name,
      severity: "warning",
      message: `its accounts cannot be listed (last: ${message}): what others do to them is noticed only when their user changes; branchward doctor --endpoint ${name} tells what it does`,
    });
    return { accounts: [], next: undefined, isWhole: false };
  }
}

/** @returns accounts that need a job */
export async function settleAccountPage(
  trx: Queryable,
  round: Pick<AuditRound, "endpoint" | "startedAt">,
  { accounts, isWhole }: AccountPage,
): Promise<readonly RequestedAccount[]> {
  const differing = await auditAccounts(trx, round.endpoint, accounts);
  return isWhole ? [...differing, ...(await requestUnseenAccounts(trx, round))] : differing;
}
