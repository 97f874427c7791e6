/** The clients of the directory: how they speak, what they own, whose tokens are about to end. */
import type { Dialect } from "@branchward/scim";
import { sql } from "kysely";
import type { Database, Queryable } from "../connection/database.ts";
import { raiseFinding } from "../scopes/findings.ts";
import { isResourceId, toUniquenessError } from "./resource-row.ts";

/** What was seen of a client since it was last recorded. */
export interface ClientTraffic {
  readonly client: string;
  /** Null where nothing told. */
  readonly dialect: Dialect | null;
  readonly userAgent: string | null;
  readonly requests: number;
  /** Requests by what had to be put right in them. */
  readonly coercions: Readonly<Record<string, number>>;
}

/** A client as it has shown itself so far. */
export interface DirectoryClient extends ClientTraffic {
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
  readonly users: number;
  readonly groups: number;
  readonly liveTokens: number;
  /** When the last of them ends; null where one never does, or there is none. */
  readonly tokensEndAt: Date | null;
}

/** Adds what was seen to what is recorded; the newest dialect and user agent stand. */
export async function recordClientTraffic(db: Queryable, traffic: ClientTraffic): Promise<void> {
  const { client, dialect, userAgent, requests, coercions } = traffic;
  await sql`
    insert into directory_clients as c (client, dialect, user_agent, requests, coercions)
    values (${client}, ${dialect}, ${userAgent}, ${requests}, ${JSON.stringify(coercions)}::jsonb)
    on conflict (client) do update set
      dialect = coalesce(excluded.dialect, c.dialect),
      user_agent = coalesce(excluded.user_agent, c.user_agent),
      requests = c.requests + excluded.requests,
      coercions = coalesce((
        select jsonb_object_agg(name, coalesce((c.coercions ->> name)::bigint, 0)
          + coalesce((excluded.coercions ->> name)::bigint, 0))
        from jsonb_object_keys(c.coercions || excluded.coercions) as name
      ), '{}'),
      last_seen_at = now()
  `.execute(db);
}

/** The dialect that a client was last recognised by. */
export async function findClientDialect(db: Queryable, client: string): Promise<Dialect | undefined> {
  const row = await db
    .selectFrom("directory_clients")
    .select("dialect")
    .where("client", "=", client)
    .executeTakeFirst();
  return row?.dialect ?? undefined;
}

/** All clients ever seen, by name. */
export async function listDirectoryClients(db: Queryable): Promise<readonly DirectoryClient[]> {
  const { rows } = await sql<DirectoryClient>`
    select c.client, c.dialect, c.user_agent as "userAgent", c.requests, c.coercions,
      c.first_seen_at as "firstSeenAt", c.last_seen_at as "lastSeenAt",
      coalesce(n.users, 0)::bigint as users, coalesce(n.groups, 0)::bigint as groups,
      coalesce(t.live, 0)::bigint as "liveTokens",
      case when isfinite(t.last_end) then t.last_end end as "tokensEndAt"
    from directory_clients c
    left join (
      select client, sum(total) filter (where kind = 'user') as users,
        sum(total) filter (where kind = 'provisioned') as groups
      from directory_counts group by client
    ) n using (client)
    left join (
      select client, count(*) as live, max(coalesce(expires_at, 'infinity')) as last_end
      from tokens where scope = 'scim' and revoked_at is null and (expires_at is null or expires_at > now())
      group by client
    ) t using (client)
    order by c.client
  `.execute(db);
  return rows;
}

/** The key that signs cursors of lists, the same for all processes. */
export async function getCursorKey(db: Queryable): Promise<Uint8Array> {
  const { key } = await db.selectFrom("directory_cursor_keys").select("key").executeTakeFirstOrThrow();
  return key;
}

/**
 * Gives provisioned users and groups to a client, whoever provisioned them: from then on it alone sees and writes them.
 * @returns how many there were of the ids @throws ScimError 409 uniqueness where an `externalId` is the client's already
 */
export async function adoptResources(db: Database, client: string, ids: readonly string[]): Promise<number> {
  const known = ids.filter(isResourceId);
  if (known.length === 0) return 0;
  const adopted = db.transaction().execute(async (trx) => {
    const users = await trx
      .updateTable("directory_users")
      .set({ client, version: sql`version + 1`, updated_at: sql`now()` })
      .where("id", "in", known)
      .executeTakeFirst();
    const groups = await trx
      .updateTable("directory_groups")
      .set({ client, version: sql`version + 1`, updated_at: sql`now()` })
      .where("id", "in", known)
      .where("kind", "=", "provisioned")
      .executeTakeFirst();
    return Number(users.numUpdatedRows + groups.numUpdatedRows);
  });
  return adopted.catch((error: unknown) => {
    throw toUniquenessError(error);
  });
}

const findingKind = "token-ends";

/**
 * Raises a finding for every client and scope whose last live token ends within two weeks, critical within two days,
 * and resolves those that no longer stand. An identity provider without a token stops and goes into quarantine.
 */
export async function raiseTokenFindings(db: Queryable): Promise<void> {
  const { rows } = await sql<{ subject: string; client: string; scope: string; endsAt: Date; isSoon: boolean }>`
    select client || '/' || scope as subject, client, scope, max(expires_at) as "endsAt",
      max(expires_at) < now() + interval '2 days' as "isSoon"
    from tokens where revoked_at is null and coalesce(expires_at, 'infinity') > now()
    group by client, scope
    having max(coalesce(expires_at, 'infinity')) < now() + interval '14 days'
  `.execute(db);
  for (const { subject, client, scope, endsAt, isSoon } of rows) {
    const severity = isSoon ? "critical" : "warning";
    const message = `the last ${scope} token of ${client} ends ${endsAt.toISOString()}: make a successor with branchward token rotate, which lets both live for a while`;
    await raiseFinding(db, { kind: findingKind, subject, severity, message });
  }
  const standing = rows.map(({ subject }) => subject);
  await sql`
    update findings set resolved_at = now()
    where kind = ${findingKind} and resolved_at is null and not (subject = any(${standing}::text[]))
  `.execute(db);
}
