/**
 * What runs find wrong with the policy in their scopes. A run writes rows of its own scope alone; one finding for each
 * subject of the policy, with a count and an example, is kept in step with them by the sweeper.
 */
import type { Finding as DesiredFinding } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { raiseFinding, resolveFinding } from "./findings.ts";

/** Codes whose findings are made from rows of scopes; those of groups are raised where groups are bound. */
const CODES = ["user-unknown", "exclusive-withheld", "ceiling-clipped", "at-least"] as const;
type Code = (typeof CODES)[number];

interface ScopeFinding {
  readonly code: Code;
  readonly subject: string;
  readonly severity: DesiredFinding["severity"];
  readonly message: string;
}

/** Replaces what stood against a scope by what its last run found. */
export async function saveScopeFindings(
  trx: Queryable,
  scopeId: string,
  findings: readonly DesiredFinding[],
): Promise<void> {
  const rows = toScopeFindings(findings);
  const keys = rows.map(({ code, subject }) => `${code} ${subject}`);
  await sql`${prepared}
    delete from scope_findings where scope_id = ${scopeId} and code || ' ' || subject <> all (${keys}::text[])
  `.execute(trx);
  if (rows.length === 0) return;
  await trx
    .insertInto("scope_findings")
    .values(rows.map((row) => ({ scope_id: scopeId, ...row })))
    .onConflict((conflict) =>
      conflict.columns(["scope_id", "code", "subject"]).doUpdateSet((eb) => ({
        severity: eb.ref("excluded.severity"),
        message: eb.ref("excluded.message"),
      })),
    )
    .execute();
}

/** One for each code and place of the policy; users beyond the first are counted. */
function toScopeFindings(findings: readonly DesiredFinding[]): readonly ScopeFinding[] {
  const told = findings.filter((finding): finding is DesiredFinding & { readonly code: Code } =>
    CODES.some((code) => code === finding.code),
  );
  return [...Map.groupBy(told, ({ code, rule }) => `${code} ${rule}`).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { code, rule, file, line, severity, message } = first;
    const others = group.length === 1 ? "" : ` (and ${group.length - 1} more)`;
    return [{ code, subject: rule, severity, message: `${message}${others}, by ${file}:${line}` }];
  });
}

interface Aggregate {
  readonly code: string;
  readonly subject: string;
  readonly severity: "info" | "warning" | "critical";
  readonly message: string;
  readonly example: string;
  readonly count: number;
  /** The message of the open finding; null where there is none. */
  readonly standing: string | null;
}

/** Raises, renews and resolves the findings of policy subjects where rows of scopes say otherwise than they do. */
export async function settleScopeFindings(trx: Queryable): Promise<void> {
  const { rows } = await sql<Aggregate>`
    with found as (
      select code, subject, count(*)::int as count, min(scope_id::text)::uuid as scope_id
      from scope_findings group by code, subject
    )
    select found.code, found.subject, found.count, scope_findings.severity, scope_findings.message,
      repositories.name || ':' || incarnations.name || ' at ' || scopes.endpoint as example,
      findings.message as standing
    from found
    join scope_findings using (code, subject, scope_id)
    join scopes on scopes.id = found.scope_id
    join incarnations on incarnations.id = scopes.incarnation_id
    join repositories on repositories.id = incarnations.repository_id
    left join findings on findings.kind = found.code and findings.subject = found.subject
      and findings.resolved_at is null`.execute(trx);
  for (const row of rows) {
    const { code: kind, subject, severity } = row;
    const message = toMessage(row);
    if (row.standing !== message) await raiseFinding(trx, { kind, subject, severity, message });
  }
  const stale = await sql<{ kind: string; subject: string }>`
    select kind, subject from findings
    where resolved_at is null and kind = any (${[...CODES]}::text[])
      and not exists (
        select from scope_findings where scope_findings.code = kind and scope_findings.subject = findings.subject
      )`.execute(trx);
  for (const { kind, subject } of stale.rows) await resolveFinding(trx, kind, subject);
}

/** Resolves the findings of groups that the policy in force names no more: nobody binds them, and nothing is missing. */
export async function resolveUnmentioned(trx: Queryable, references: readonly string[]): Promise<void> {
  await sql`
    update findings set resolved_at = now()
    where resolved_at is null and kind in ('group-unbound', 'group-lost', 'group-renamed')
      and subject <> all (${[...references]}::text[])`.execute(trx);
}

function toMessage({ message, example, count }: Aggregate): string {
  const others = count === 1 ? "" : ` and ${count - 1} more scope${count === 2 ? "" : "s"}`;
  return `${message}: ${example}${others}`;
}
