import { createHash, randomBytes } from "node:crypto";
import type { UserId } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import type { TokenScope } from "../tables.ts";

export interface Token {
  readonly id: string;
  /** Who uses it: the name under which a client provisions. */
  readonly client: string;
  readonly scope: TokenScope;
  /** The first characters, for recognition. */
  readonly hint: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
  /** The user whose device it is (rule B6); null for clients. */
  readonly userId: UserId | null;
  readonly device: string | null;
}

const columns = [
  "id",
  "client",
  "scope",
  "hint",
  "created_at as createdAt",
  "expires_at as expiresAt",
  "last_used_at as lastUsedAt",
  "revoked_at as revokedAt",
  sql<UserId | null>`user_id`.as("userId"),
  "device",
] as const;

/** Tokens are 256 random bits, so that a plain hash at rest is enough. */
export function hashToken(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** A new secret, `bw_<scope>_…`. */
export function createTokenSecret(scope: TokenScope): string {
  return `bw_${scope}_${randomBytes(32).toString("base64url")}`;
}

export interface NewToken {
  readonly client: string;
  readonly scope: TokenScope;
  readonly expiresAt: Date | null;
  /** Whose device it is, for scope `agent`. */
  readonly owner?: { readonly userId: UserId; readonly device: string };
}

/** Makes a token; the secret is returned this once and kept only as a hash. */
export async function insertToken(
  db: Queryable,
  token: NewToken,
): Promise<{ readonly token: Token; readonly secret: string }> {
  const secret = createTokenSecret(token.scope);
  const row = await db
    .insertInto("tokens")
    .values({
      id: uuidv7(),
      client: token.client,
      scope: token.scope,
      hash: hashToken(secret),
      hint: secret.slice(0, secret.indexOf("_", 3) + 5),
      expires_at: token.expiresAt,
      user_id: token.owner?.userId ?? null,
      device: token.owner?.device ?? null,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
  return { token: row, secret };
}

/** The live token with this secret. */
export async function findLiveToken(db: Queryable, secret: string): Promise<Token | undefined> {
  return db
    .selectFrom("tokens")
    .select(columns)
    .where("hash", "=", hashToken(secret))
    .where("revoked_at", "is", null)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", sql<Date>`now()`)]))
    .executeTakeFirst();
}

/** Notes a use, at most once a minute. */
export async function touchToken(db: Queryable, id: string): Promise<void> {
  await db
    .updateTable("tokens")
    .set({ last_used_at: sql<Date>`now()` })
    .where("id", "=", id)
    .where((where) =>
      where.or([where("last_used_at", "is", null), where("last_used_at", "<", sql<Date>`now() - interval '1 minute'`)]),
    )
    .execute();
}

export async function listTokens(db: Queryable): Promise<readonly Token[]> {
  return db.selectFrom("tokens").select(columns).orderBy("created_at", "desc").execute();
}

export async function findToken(db: Queryable, id: string): Promise<Token | undefined> {
  return db.selectFrom("tokens").select(columns).where("id", "=", id).executeTakeFirst();
}

/** Ends a token at once. False when there is no live token of this id. */
export async function revokeToken(db: Queryable, id: string): Promise<boolean> {
  const result = await db
    .updateTable("tokens")
    .set({ revoked_at: sql<Date>`now()` })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Lets a token live on for an overlap, never longer than it would have. */
export async function expireTokenBy(db: Queryable, id: string, at: Date): Promise<void> {
  await db
    .updateTable("tokens")
    .set({ expires_at: sql<Date>`least(coalesce(expires_at, ${at}), ${at})` })
    .where("id", "=", id)
    .execute();
}

/** A device of a user, as its token says. */
export interface EnrolledAgent {
  readonly tokenId: string;
  readonly userId: UserId;
  readonly userName: string;
  /** False for a deactivated user, whose devices start nothing. */
  readonly active: boolean;
}

/** Whose device sends this token: a live one of scope `agent` that is bound to a user the directory has. */
export async function findAgent(db: Queryable, secret: string): Promise<EnrolledAgent | undefined> {
  return selectAgents(db).where("tokens.hash", "=", hashToken(secret)).executeTakeFirst();
}

/** As `findAgent`, by the token's id. */
export async function findAgentById(db: Queryable, tokenId: string): Promise<EnrolledAgent | undefined> {
  return selectAgents(db).where("tokens.id", "=", tokenId).executeTakeFirst();
}

function selectAgents(db: Queryable) {
  return db
    .selectFrom("tokens")
    .innerJoin("directory_users", "directory_users.id", "tokens.user_id")
    .select([
      "tokens.id as tokenId",
      sql<UserId>`tokens.user_id`.as("userId"),
      "directory_users.user_name as userName",
      "directory_users.active as active",
    ])
    .where("tokens.scope", "=", "agent")
    .where("tokens.revoked_at", "is", null)
    .where((where) =>
      where.or([where("tokens.expires_at", "is", null), where("tokens.expires_at", ">", sql<Date>`now()`)]),
    );
}
