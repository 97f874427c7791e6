/** One-time codes by which a user makes a device his own (rule B6): made by an admin, exchanged once for a token. */
import { createHash, randomBytes } from "node:crypto";
import type { UserId } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { insertToken, type Token } from "../tokens/tokens.ts";

export interface NewEnrolment {
  readonly userId: UserId;
  readonly device: string;
  readonly madeBy: string;
  /** How long the code may be exchanged, from now. */
  readonly codeMs: number;
  /** Days for which the token will live. */
  readonly tokenDays: number;
}

const hashCode = (code: string): Buffer => createHash("sha256").update(code).digest();

/** Makes a code; it is returned this once and kept only as a hash. */
export async function insertEnrolmentCode(
  db: Queryable,
  { userId, device, madeBy, codeMs, tokenDays }: NewEnrolment,
): Promise<{ readonly id: string; readonly code: string; readonly expiresAt: Date }> {
  const code = `bw_enrol_${randomBytes(32).toString("base64url")}`;
  const row = await db
    .insertInto("enrolment_codes")
    .values({
      id: uuidv7(),
      hash: hashCode(code),
      user_id: userId,
      device,
      token_days: tokenDays,
      made_by: madeBy,
      expires_at: sql<Date>`now() + ${codeMs} * interval '1 millisecond'`,
      token_id: null,
    })
    .returning(["id", "expires_at as expiresAt"])
    .executeTakeFirstOrThrow();
  return { ...row, code };
}

export interface Enrolled {
  readonly token: Token;
  readonly secret: string;
  readonly userName: string;
}

/**
 * Exchanges a code for the device's token, once; undefined for a code that is unknown, used or over, and for a user
 * who is active no more. `device` names it anew.
 */
export async function redeemEnrolmentCode(
  trx: Queryable,
  { code, device }: { readonly code: string; readonly device: string | null },
): Promise<Enrolled | undefined> {
  const row = await trx
    .updateTable("enrolment_codes")
    .from("directory_users")
    .set({ used_at: sql<Date>`now()` })
    .whereRef("directory_users.id", "=", "enrolment_codes.user_id")
    .where("enrolment_codes.hash", "=", hashCode(code))
    .where("enrolment_codes.used_at", "is", null)
    .where("enrolment_codes.expires_at", ">", sql<Date>`now()`)
    .where("directory_users.active", "=", true)
    .returning([
      "enrolment_codes.id as id",
      sql<UserId>`enrolment_codes.user_id`.as("userId"),
      "directory_users.user_name as userName",
      "enrolment_codes.device as device",
      sql<Date>`now() + enrolment_codes.token_days * interval '1 day'`.as("expiresAt"),
    ])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const owner = { userId: row.userId, device: device ?? row.device };
  const made = await insertToken(trx, { client: "agent", scope: "agent", expiresAt: row.expiresAt, owner });
  await trx.updateTable("enrolment_codes").set({ token_id: made.token.id }).where("id", "=", row.id).execute();
  return { ...made, userName: row.userName };
}
