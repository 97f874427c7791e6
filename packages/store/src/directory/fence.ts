/** The lease that a run writes under, as the directory is told of it (rule C4). */
import { ScimError } from "@branchward/scim";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { isResourceId } from "./resource-row.ts";

export interface Fence {
  readonly token: number;
  /** Whose lease it is; without it the group alone tells which token has written to it last. */
  readonly scopeId: string | undefined;
}

/** Values of the headers `Branchward-Fence` and `Branchward-Scope`. */
export interface FenceHeaders {
  readonly fence: string | undefined;
  readonly scope: string | undefined;
}

/** The lease that headers tell of, undefined where there is none. @throws ScimError 400 invalidValue */
export function parseFence({ fence, scope }: FenceHeaders): Fence | undefined {
  if (fence === undefined) return undefined;
  const token = /^\d{1,16}$/.test(fence) ? Number(fence) : Number.NaN;
  if (!Number.isSafeInteger(token)) throw new ScimError(400, "Branchward-Fence must be an integer", "invalidValue");
  if (scope !== undefined && !isResourceId(scope)) {
    throw new ScimError(400, "Branchward-Scope must be the id of a scope", "invalidValue");
  }
  return { token, scopeId: scope };
}

/** 412 for a writer whose lease is not its own any more. */
export function staleFence(detail: string): ScimError {
  return new ScimError(412, detail, "staleFence");
}

/**
 * Keeps the writer's lease its own until the transaction ends: whoever takes it next reads what was written. The token of a
 * group's last writer would not tell of a lease that was taken and then found nothing to write (rule C3).
 * @throws ScimError 412 when another has taken it
 */
export async function holdLease(trx: Queryable, { fence }: { readonly fence?: Fence }): Promise<void> {
  if (fence?.scopeId === undefined) return;
  const { rows } = await sql`${prepared}
    select from scopes where id = ${fence.scopeId} and lease_token = ${fence.token} for share`.execute(trx);
  if (rows.length === 0) throw staleFence(`fence ${fence.token} is stale, another has taken the lease`);
}
