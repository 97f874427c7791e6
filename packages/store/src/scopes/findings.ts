import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";

export interface NewFinding {
  /** Stable kind: `unbound-group`, `unknown-actor`, `source-may-default`… */
  readonly kind: string;
  /** What it is about; one open finding per kind and subject. */
  readonly subject: string;
  readonly severity: "info" | "warning" | "critical";
  /** Cause and fix in one or two sentences. */
  readonly message: string;
}

export interface Finding extends NewFinding {
  readonly id: string;
  readonly firstAt: Date;
  readonly lastAt: Date;
  /** Null while it stands. */
  readonly resolvedAt: Date | null;
}

/** Opens a finding or notes that it still stands. */
export async function raiseFinding(db: Queryable, finding: NewFinding): Promise<void> {
  await db
    .insertInto("findings")
    .values({ id: uuidv7(), ...finding })
    .onConflict((conflict) =>
      conflict
        .columns(["kind", "subject"])
        .where("resolved_at", "is", null)
        .doUpdateSet({ severity: finding.severity, message: finding.message, last_at: sql<Date>`now()` }),
    )
    .execute();
}

/** Opens a finding; one that stands is left as it is, so that who raises it often waits for nobody. */
export async function openFinding(db: Queryable, finding: NewFinding): Promise<void> {
  await db
    .insertInto("findings")
    .values({ id: uuidv7(), ...finding })
    .onConflict((conflict) => conflict.columns(["kind", "subject"]).where("resolved_at", "is", null).doNothing())
    .execute();
}

export async function resolveFinding(db: Queryable, kind: string, subject: string): Promise<void> {
  await db
    .updateTable("findings")
    .set({ resolved_at: sql<Date>`now()` })
    .where("kind", "=", kind)
    .where("subject", "=", subject)
    .where("resolved_at", "is", null)
    .execute();
}

/** Ends the finding whose subject ends with the mark, whatever it was called when it was raised. */
export async function resolveFindingMarked(db: Queryable, kind: string, mark: string): Promise<void> {
  await db
    .updateTable("findings")
    .set({ resolved_at: sql<Date>`now()` })
    .where("kind", "=", kind)
    .where(sql<boolean>`right(subject, length(${mark}::text)) = ${mark}`)
    .where("resolved_at", "is", null)
    .execute();
}

/** Ends the findings of a kind that are about anything but these subjects. */
export async function resolveOtherFindings(db: Queryable, kind: string, subjects: readonly string[]): Promise<void> {
  await db
    .updateTable("findings")
    .set({ resolved_at: sql<Date>`now()` })
    .where("kind", "=", kind)
    .where(sql<boolean>`subject <> all (${[...subjects]}::text[])`)
    .where("resolved_at", "is", null)
    .execute();
}

/** Resolves a finding that nobody has raised since. */
export async function resolveFindingBefore(
  db: Queryable,
  { kind, subject, at }: Pick<NewFinding, "kind" | "subject"> & { readonly at: Date },
): Promise<void> {
  await db
    .updateTable("findings")
    .set({ resolved_at: sql<Date>`now()` })
    .where("kind", "=", kind)
    .where("subject", "=", subject)
    .where("last_at", "<", at)
    .where("resolved_at", "is", null)
    .execute();
}

/** Ends the findings about held removals once no removal is held anywhere. */
export async function resolveHeldFindings(trx: Queryable): Promise<void> {
  await sql`
    update findings set resolved_at = now()
    where kind = 'removals-held' and resolved_at is null and not exists (select from withheld_removals)`.execute(trx);
}

function selectFindings(db: Queryable) {
  return db
    .selectFrom("findings")
    .select([
      "id",
      "kind",
      "subject",
      "severity",
      "message",
      "first_at as firstAt",
      "last_at as lastAt",
      "resolved_at as resolvedAt",
    ]);
}

/** In no order; ids that are not there are left out. */
export async function listFindingsById(db: Queryable, ids: readonly string[]): Promise<readonly Finding[]> {
  return ids.length === 0 ? [] : selectFindings(db).where("id", "in", ids).execute();
}

/** Open findings, the gravest first. */
export async function listFindings(db: Queryable, limit: number): Promise<readonly Finding[]> {
  return selectFindings(db)
    .where("resolved_at", "is", null)
    .orderBy(sql`array_position(array['critical', 'warning', 'info'], severity)`)
    .orderBy("last_at", "desc")
    .limit(limit)
    .execute();
}
