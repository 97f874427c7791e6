/** Who is signed in to the dashboard: an opaque id in a cookie, kept here as a hash. */
import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import type { TokenScope } from "../tables.ts";
import { hashToken } from "./tokens.ts";

export interface Session {
  readonly client: string;
  readonly scope: TokenScope;
  /** The token that it was opened with; null for one that is not in the record. */
  readonly tokenId: string | null;
  /** SHA-256 of that token. */
  readonly tokenHash: Buffer;
  readonly expiresAt: Date;
}

export interface NewSession extends Pick<Session, "client" | "scope" | "tokenId"> {
  /** The token given. */
  readonly token: string;
  readonly lifetimeMs: number;
}

/** Opens a session; the secret is returned this once. Expired ones are cleared away. */
export async function insertSession(
  db: Queryable,
  { client, scope, tokenId, token, lifetimeMs }: NewSession,
): Promise<{ readonly secret: string; readonly expiresAt: Date }> {
  await db
    .deleteFrom("sessions")
    .where("expires_at", "<", sql<Date>`now()`)
    .execute();
  const secret = randomBytes(32).toString("base64url");
  const { expires_at: expiresAt } = await db
    .insertInto("sessions")
    .values({
      hash: hashToken(secret),
      client,
      scope,
      token_id: tokenId,
      token_hash: hashToken(token),
      expires_at: sql<Date>`now() + ${lifetimeMs} * interval '1 millisecond'`,
    })
    .returning("expires_at")
    .executeTakeFirstOrThrow();
  return { secret, expiresAt };
}

/** The session with this secret that is not over, and whose token, where it is in the record, still lives. */
export async function findLiveSession(db: Queryable, secret: string): Promise<Session | undefined> {
  return db
    .selectFrom("sessions")
    .leftJoin("tokens", "tokens.id", "sessions.token_id")
    .select([
      "sessions.client as client",
      "sessions.scope as scope",
      "sessions.token_id as tokenId",
      "sessions.token_hash as tokenHash",
      "sessions.expires_at as expiresAt",
    ])
    .where("sessions.hash", "=", hashToken(secret))
    .where("sessions.expires_at", ">", sql<Date>`now()`)
    .where("tokens.revoked_at", "is", null)
    .where((where) =>
      where.or([where("tokens.expires_at", "is", null), where("tokens.expires_at", ">", sql<Date>`now()`)]),
    )
    .executeTakeFirst();
}

/** Ends a session at once. */
export async function deleteSession(db: Queryable, secret: string): Promise<void> {
  await db.deleteFrom("sessions").where("hash", "=", hashToken(secret)).execute();
}
