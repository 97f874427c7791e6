/** Who is behind an actor: by the source's identity rule, by a link made by hand, never loosely (rules B5, B6). */
import type { Actor, SourceConfiguration, UserId } from "@branchward/core";
import type { Queryable } from "./database.ts";
import {
  type DirectoryUserRecord,
  findUserByUserName,
  listUsersByAttribute,
  listUsersByEmail,
  listUsersById,
} from "./directory/read.ts";
import { openFinding, resolveFinding } from "./findings.ts";
import { findLinkedUser } from "./identity-links.ts";

/** What of a source decides whom its actors are. */
export type IdentitySource = Pick<SourceConfiguration, "name" | "type" | "identity">;

export type ActorClaim = Pick<Actor, "key" | "email">;

/**
 * Whom an actor means. `unknown`: nobody the directory has, or several; `inactive`: a deactivated user;
 * `disputed`: the identity rule and a link name two users, which is no certainty at all.
 */
export type ActorResolution =
  | { readonly state: "known"; readonly userId: UserId; readonly userName: string }
  | { readonly state: "inactive"; readonly userId: UserId; readonly userName: string }
  | { readonly state: "unknown" | "disputed"; readonly userId: null; readonly userName: null };

/** The directory user behind an actor of a source (rule B5): by `identity`, then by the link table. */
export async function resolveActor(
  db: Queryable,
  { source, actor }: { readonly source: IdentitySource; readonly actor: ActorClaim },
): Promise<ActorResolution> {
  const matched = await matchIdentity(db, source, actor);
  const linkedId = await findLinkedUser(db, source.name, actor.key);
  if (linkedId === undefined || matched?.id === linkedId) return toResolution(matched);
  if (matched !== undefined) return { state: "disputed", userId: null, userName: null };
  const [linked] = await listUsersById(db, [linkedId]);
  return toResolution(linked);
}

function toResolution(user: DirectoryUserRecord | undefined): ActorResolution {
  if (user === undefined) return { state: "unknown", userId: null, userName: null };
  return { state: user.active ? "known" : "inactive", userId: user.id, userName: user.userName };
}

/** The user whom the identity rule alone names, deactivated or not; undefined for none and for several. */
export async function matchIdentity(
  db: Queryable,
  { type, identity }: IdentitySource,
  actor: ActorClaim,
): Promise<DirectoryUserRecord | undefined> {
  const { attribute, match } = identity;
  const value = match === "email" ? actor.email : actor.key;
  const named = value === null ? undefined : await findByAttribute(db, attribute, value);
  if (named !== undefined || type !== "agent" || attribute !== "userName" || match !== "key") return named;
  // What an agent's user calls herself may be an address (rule B6).
  const email = actor.email ?? (actor.key.includes("@") ? actor.key : null);
  return email === null ? undefined : onlyOne(await listUsersByEmail(db, email));
}

async function findByAttribute(
  db: Queryable,
  attribute: string,
  value: string,
): Promise<DirectoryUserRecord | undefined> {
  if (attribute === "userName") return findUserByUserName(db, value);
  if (attribute === "emails") return onlyOne(await listUsersByEmail(db, value));
  return onlyOne(await listUsersByAttribute(db, attribute, value));
}

function onlyOne(users: readonly DirectoryUserRecord[]): DirectoryUserRecord | undefined {
  return users.length === 1 ? users[0] : undefined;
}

/** Keeps the finding of an actor in step with what it resolved to. */
export async function noteActor(
  trx: Queryable,
  {
    source,
    actor,
    resolution,
  }: {
    readonly source: string;
    readonly actor: string;
    readonly resolution: ActorResolution;
  },
): Promise<void> {
  const subject = `${source}: ${actor}`;
  const told = UNRESOLVED[resolution.state];
  if (told === null) return resolveFinding(trx, "unknown-actor", subject);
  const message = `${told}; say who it is: branchward links set ${source} ${JSON.stringify(actor)} USER`;
  await openFinding(trx, { kind: "unknown-actor", subject, severity: "info", message });
}

const UNRESOLVED: Readonly<Record<ActorResolution["state"], string | null>> = {
  known: null,
  inactive: null,
  unknown:
    "no user of the directory is this actor, so that its checkouts start nothing and its pushes count as nobody's",
  disputed: "the source's identity rule and the link name different users, so that neither counts",
};
