/** Approvals: a person lets go what guards keep back, for the plan as it was shown (rules B1, C1, C2). */
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";

/** How long an approval lasts. */
const APPROVAL_HOURS = 24;

/**
 * Names what an approval lets go: in one scope's entitlement, or through a reference in every scope (of one entitlement,
 * where it is named), or everywhere (a deactivation).
 */
export interface RemovalApproval {
  readonly scopeId: string | null;
  readonly entitlement: string | null;
  readonly reference: string | null;
  readonly userId: string;
}

export interface NewApproval {
  readonly kind: "sync" | "policy";
  /** The sync or policy version whose plan it is. */
  readonly subject: string;
  readonly digest: string;
  readonly approvedBy: string;
  readonly removals: readonly RemovalApproval[];
}

/** Records an approval for 24 hours. */
export async function insertApproval(trx: Queryable, approval: NewApproval): Promise<void> {
  const id = uuidv7();
  const { kind, subject, digest, approvedBy, removals } = approval;
  await trx
    .insertInto("approvals")
    .values({
      id,
      kind,
      subject,
      digest,
      approved_by: approvedBy,
      expires_at: sql<Date>`now() + ${APPROVAL_HOURS} * interval '1 hour'`,
    })
    .execute();
  await sql`
    insert into approved_removals (approval_id, scope_id, entitlement, reference, user_id)
    select ${id}, "scopeId", entitlement, reference, "userId"
    from jsonb_to_recordset(${JSON.stringify(removals)}::jsonb)
      as row("scopeId" uuid, entitlement text, reference text, "userId" uuid)`.execute(trx);
}
