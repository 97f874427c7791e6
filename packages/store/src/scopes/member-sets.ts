/** Members that a run found as they ought to be: content-addressed, since most runs find what the run before them found. */
import { createHash } from "node:crypto";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface SyncMember {
  /** The endpoint's id. */
  readonly user: string;
  readonly userName: string | null;
  /** Why the member is there or is no longer. */
  readonly why: string;
}

/** Members of one entitlement group. */
export interface MemberSet {
  readonly entitlement: string;
  /** Name at the endpoint. */
  readonly group: string;
  readonly members: readonly SyncMember[];
}

/** As kept: ten thousand members share a handful of reasons. */
interface KeptSet {
  readonly entitlement: string;
  readonly group: string;
  readonly whys: readonly string[];
  readonly members: readonly (readonly [user: string, userName: string | null, why: number])[];
}

function toKept({ entitlement, group, members }: MemberSet): KeptSet {
  const whys = [...new Set(members.map((member) => member.why))];
  const index = new Map(whys.map((why, position) => [why, position]));
  return {
    entitlement,
    group,
    whys,
    members: members.map(({ user, userName, why }) => [user, userName, index.get(why) ?? 0] as const),
  };
}

function toMemberSet({ entitlement, group, whys, members }: KeptSet): MemberSet {
  return {
    entitlement,
    group,
    members: members.map(([user, userName, why]) => ({ user, userName, why: whys[why] ?? "" })),
  };
}

/** Keeps the sets and returns their digest; null for none. */
export async function saveMemberSets(trx: Queryable, sets: readonly MemberSet[]): Promise<Buffer | null> {
  const held = sets.filter((set) => set.members.length > 0);
  if (held.length === 0) return null;
  const groups = JSON.stringify(held.map(toKept));
  const digest = createHash("sha256").update(groups).digest();
  await trx
    .insertInto("member_sets")
    .values({ digest, groups })
    .onConflict((conflict) => conflict.column("digest").doNothing())
    .modifyEnd(prepared)
    .execute();
  return digest;
}

/** The sets kept under a digest; none for null. */
export async function findMemberSets(db: Queryable, digest: Buffer | null): Promise<readonly MemberSet[]> {
  if (digest === null) return [];
  const row = await db.selectFrom("member_sets").select("groups").where("digest", "=", digest).executeTakeFirst();
  return row === undefined ? [] : (row.groups as readonly KeptSet[]).map(toMemberSet);
}
