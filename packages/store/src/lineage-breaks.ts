/** Branches whose head was found changed without an event that led there (rule A4). */
import { sql } from "kysely";
import { endCheckoutsOf } from "./checkouts.ts";
import type { Queryable } from "./database.ts";
import { expireGrantsOf } from "./emergency-grants.ts";
import { raiseFinding } from "./findings.ts";

const KIND = "lineage-break";

export interface LineageBreak {
  readonly incarnationId: string;
  /** As policy knows the repository. */
  readonly repository: string;
  readonly branch: string;
  /** The head that was known, and the one that was found. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Ends what was given for the moment: it may be another branch by now. Standing grants are by name and stay. */
export async function breakLineage(trx: Queryable, found: LineageBreak): Promise<void> {
  await endCheckoutsOf(trx, found.incarnationId);
  await expireGrantsOf(trx, found.incarnationId);
  await raiseFinding(trx, {
    kind: KIND,
    subject: `${found.repository}:${found.branch}`,
    severity: "warning",
    message: `its head was found at ${found.after ?? "none"}, and no event led there from ${found.before ?? "none"}: events were lost, or it was made anew unseen; just-in-time and emergency grants ended, and begin with the next checkout or approval. See that its hooks are in place: branchward hooks status`,
  });
}

/** Resolves the findings of branches that have moved by an event since, or are gone. */
export async function settleLineageBreaks(trx: Queryable): Promise<void> {
  await sql`
    update findings set resolved_at = now()
    where kind = ${KIND} and resolved_at is null and not exists (
      select from incarnations
      join repositories on repositories.id = incarnations.repository_id
      where repositories.name || ':' || incarnations.name = findings.subject
        and incarnations.state <> 'deleted' and incarnations.merged_into is null
        and not exists (
          select from branch_events
          where branch_events.incarnation_id = incarnations.id and branch_events.kind = 'push'
            and branch_events.note is null and branch_events.created_at > findings.last_at
        )
    )`.execute(trx);
}
