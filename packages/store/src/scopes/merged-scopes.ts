import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import type { Lease } from "./leases.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface MergedScope {
  readonly scopeId: string;
  readonly incarnationId: string;
}

/** Scopes at the same endpoint of incarnations merged into this one that still have groups, or are asked for (rule A5). */
export async function listMergedScopes(
  db: Queryable,
  { incarnationId, endpoint }: Pick<Lease, "incarnationId" | "endpoint">,
): Promise<readonly MergedScope[]> {
  return db
    .selectFrom("scopes")
    .innerJoin("incarnations", "incarnations.id", "scopes.incarnation_id")
    .select(["scopes.id as scopeId", "incarnations.id as incarnationId"])
    .where("incarnations.merged_into", "=", incarnationId)
    .where("scopes.endpoint", "=", endpoint)
    .where((eb) =>
      eb.or([
        eb.exists(eb.selectFrom("entitlement_groups").select("scope_id").whereRef("scope_id", "=", "scopes.id")),
        sql<boolean>`scopes.requested > scopes.reconciled`,
      ]),
    )
    .orderBy("scopes.id")
    .modifyEnd(prepared)
    .execute();
}
