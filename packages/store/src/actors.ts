import type { Actor, UserId } from "@branchward/core";
import type { Queryable } from "./database.ts";
import { findUserByUserName, listUsersByEmail } from "./directory/read.ts";

/**
 * The directory user behind an actor's claim: by `userName`, then by exactly one active user's e-mail (rule B6);
 * null when there is no such user, and never loosely.
 */
export async function findActorUser(db: Queryable, actor: Actor): Promise<UserId | null> {
  const named = await findUserByUserName(db, actor.key);
  if (named !== undefined) return named.active ? named.id : null;
  const email = actor.email ?? (actor.key.includes("@") ? actor.key : null);
  if (email === null) return null;
  const [only, second] = await listUsersByEmail(db, email);
  return only !== undefined && second === undefined ? only.id : null;
}
