/** Who is behind an actor: by the source's identity rule, by a link made by hand, never loosely (rules B5, B6). */
import type { Actor, SourceConfiguration, UserId } from "@branchward/core";
import { foldCase } from "@branchward/scim";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { type DirectoryUserRecord, listUsersByAttribute, listUsersByEmail, listUsersById } from "../directory/read.ts";
import { openFinding, resolveFinding } from "../scopes/findings.ts";
import { prepared } from "../connection/prepared-statements.ts";

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

/** With whether a finding stands that says that nobody is this actor. */
export type NotedResolution = ActorResolution & { readonly isNoted: boolean };

/** The directory user behind an actor of a source (rule B5): by `identity`, then by the link table. */
export async function resolveActor(
  db: Queryable,
  { source, actor }: { readonly source: IdentitySource; readonly actor: ActorClaim },
): Promise<NotedResolution> {
  const { named, linkedId, isNoted } = await lookUp(db, source, actor);
  const matched = named ?? (await matchOtherwise(db, source, actor));
  if (linkedId === null || matched?.id === linkedId) return { ...toResolution(matched), isNoted };
  if (matched !== undefined) return { state: "disputed", userId: null, userName: null, isNoted };
  const [linked] = await listUsersById(db, [linkedId]);
  return { ...toResolution(linked), isNoted };
}

function toResolution(user: DirectoryUserRecord | undefined): ActorResolution {
  if (user === undefined) return { state: "unknown", userId: null, userName: null };
  return { state: user.active ? "known" : "inactive", userId: user.id, userName: user.userName };
}

/** The user whom the identity rule alone names, deactivated or not; undefined for none and for several. */
export async function matchIdentity(
  db: Queryable,
  source: IdentitySource,
  actor: ActorClaim,
): Promise<DirectoryUserRecord | undefined> {
  return (await lookUp(db, source, actor)).named ?? matchOtherwise(db, source, actor);
}

interface Lookup {
  /** The user of the name, where the source's identity rule goes by `userName`. */
  readonly named: DirectoryUserRecord | undefined;
  readonly linkedId: UserId | null;
  readonly isNoted: boolean;
}

/** What most actors are known by, in one round trip. */
async function lookUp(db: Queryable, source: IdentitySource, actor: ActorClaim): Promise<Lookup> {
  const userName = source.identity.attribute === "userName" ? valueOf(source, actor) : null;
  const { rows } = await sql<
    { [Key in keyof DirectoryUserRecord]: DirectoryUserRecord[Key] | null } & Omit<Lookup, "named">
  >`${prepared}
    select
      named.id, named.client, named.external_id as "externalId", named.user_name as "userName", named.active,
      named.attributes, linked.user_id as "linkedId",
      exists (
        select from findings
        where kind = ${UNKNOWN_ACTOR} and subject = ${toSubject(source.name, actor.key)} and resolved_at is null
      ) as "isNoted"
    from (values (true)) as asked
    left join directory_users as named on named.user_name_key = ${userName === null ? null : foldCase(userName)}
    left join identity_links as linked on linked.source = ${source.name} and linked.actor = ${actor.key}`.execute(db);
  const [row] = rows;
  if (row === undefined) return { named: undefined, linkedId: null, isNoted: false };
  const { linkedId, isNoted, ...named } = row;
  return { named: isUser(named) ? named : undefined, linkedId, isNoted };
}

function isUser(row: { readonly id: UserId | null }): row is DirectoryUserRecord {
  return row.id !== null;
}

function valueOf({ identity }: IdentitySource, actor: ActorClaim): string | null {
  return identity.match === "email" ? actor.email : actor.key;
}

/** By another attribute than the `userName`; and what an agent's user calls herself may be an address (rule B6). */
async function matchOtherwise(
  db: Queryable,
  source: IdentitySource,
  actor: ActorClaim,
): Promise<DirectoryUserRecord | undefined> {
  const { attribute, match } = source.identity;
  if (attribute !== "userName") {
    const value = valueOf(source, actor);
    return value === null ? undefined : findByAttribute(db, attribute, value);
  }
  if (source.type !== "agent" || match !== "key") return undefined;
  const email = actor.email ?? (actor.key.includes("@") ? actor.key : null);
  return email === null ? undefined : onlyOne(await listUsersByEmail(db, email));
}

async function findByAttribute(
  db: Queryable,
  attribute: string,
  value: string,
): Promise<DirectoryUserRecord | undefined> {
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
    readonly resolution: NotedResolution;
  },
): Promise<void> {
  const subject = toSubject(source, actor);
  const told = UNRESOLVED[resolution.state];
  if (told === null) return resolution.isNoted ? resolveFinding(trx, UNKNOWN_ACTOR, subject) : undefined;
  const message = `${told}; say who it is: branchward links set ${source} ${JSON.stringify(actor)} USER`;
  await openFinding(trx, { kind: UNKNOWN_ACTOR, subject, severity: "info", message });
}

const UNKNOWN_ACTOR = "unknown-actor";

function toSubject(source: string, actor: string): string {
  return `${source}: ${actor}`;
}

const UNRESOLVED: Readonly<Record<ActorResolution["state"], string | null>> = {
  known: null,
  inactive: null,
  unknown:
    "no user of the directory is this actor, so that its checkouts start nothing and its pushes count as nobody's",
  disputed: "the source's identity rule and the link name different users, so that neither counts",
};
