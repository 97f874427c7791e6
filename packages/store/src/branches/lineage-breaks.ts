/** Branches whose head was found changed without an event that led there (rule A4). */
import { sql } from "kysely";
import { endCheckoutsOf } from "../people/checkouts.ts";
import type { Queryable } from "../connection/database.ts";
import { expireGrantsOf } from "../people/emergency-grants.ts";
import { raiseFinding, resolveFinding } from "../scopes/findings.ts";

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
    message: `its head was found at ${found.after ?? "none"}, and no event led there from ${found.before ?? "none"}: events were lost or are late, or it was made anew unseen; just-in-time and emergency grants ended, and begin with the next checkout or approval. See that its hooks are in place: branchward hooks status`,
  });
}

/**
 * Takes back a break that an event explains, though late: it led from the head that was known to the one that was found.
 * What the break ended goes on, to its old end, but where the working copy has moved since. @returns whether one was
 */
export async function mendLineage(
  trx: Queryable,
  { incarnationId, repository, branch, before, after }: LineageBreak,
): Promise<boolean> {
  // Whatever a transaction ends and records has its one time.
  const broken = sql`(
    select created_at from branch_events
    where incarnation_id = ${incarnationId} and note = ${KIND} and before = ${before} and after = ${after}
    order by id desc limit 1)`;
  const { rows } = await sql<{ isBroken: boolean }>`
    with broken as ${broken},
      stays as (
        update checkouts set ended_at = null from broken
        where checkouts.incarnation_id = ${incarnationId} and checkouts.ended_at = broken.created_at
          and not exists (
            select from checkouts later
            where later.repository_id = checkouts.repository_id and later.working_copy = checkouts.working_copy
              and later.id <> checkouts.id and (later.ended_at is null or later.ended_at > broken.created_at))),
      grants as (
        update emergency_grants set ended_at = null,
          state = case when decided_at is null then 'requested' else 'approved' end
        from broken
        where emergency_grants.incarnation_id = ${incarnationId} and emergency_grants.state = 'expired'
          and emergency_grants.ended_at = broken.created_at)
    select exists (select from broken) as "isBroken"`.execute(trx);
  const isBroken = rows[0]?.isBroken === true;
  if (isBroken) await resolveFinding(trx, KIND, `${repository}:${branch}`);
  return isBroken;
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
