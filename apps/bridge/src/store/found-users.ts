/** Pure: the users that stand for accounts of the native system which nobody has adopted yet. */
import { isDeepStrictEqual } from "node:util";
import { foldCase } from "@branchward/scim";
import { type FoundAccount, toFoundAttributes } from "../accounts/found-account.ts";
import type { HeldUser, Snapshot } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import { withoutMember } from "./groups.ts";

export interface Look {
  readonly found: readonly FoundAccount[];
  /** ISO 8601. */
  readonly at: string;
  readonly createId: () => string;
}

/**
 * The snapshot with a user for each account that was found, and without those that are gone; the same one where nothing
 * differs. A name that somebody else has makes no user: one `userName` is one person.
 */
export function withFoundUsers(snapshot: Snapshot, { found, at, createId }: Look): Snapshot {
  const own = [...snapshot.users.values()].filter((user) => user.isFound !== true);
  const taken = new Set(
    own.flatMap(({ account, attributes }) => [account, textOf(attributes, "userName")].map(foldCase)),
  );
  const held = new Map([...snapshot.users.values()].flatMap((user) => (user.isFound ? [[user.account, user]] : [])));
  const users = new Map(own.map((user) => [user.id, user]));
  for (const one of found) {
    const key = foldCase(one.account);
    if (taken.has(key)) continue;
    taken.add(key);
    const user = toFoundUser(one, { before: held.get(one.account), at, createId });
    users.set(user.id, user);
  }
  const gone = [...held.values()].filter(({ id }) => !users.has(id));
  const isSame = gone.length === 0 && [...users].every(([id, user]) => snapshot.users.get(id) === user);
  if (isSame) return snapshot;
  let { groups } = snapshot;
  for (const { id } of gone) groups = new Map([...groups, ...withoutMember(groups, id, at)]);
  return { users, groups };
}

function toFoundUser(
  found: FoundAccount,
  { before, at, createId }: Pick<Look, "at" | "createId"> & { readonly before: HeldUser | undefined },
): HeldUser {
  const { account, native } = found;
  const known = { account, native: { ...native }, attributes: toFoundAttributes(found), isFound: true as const };
  if (before === undefined) return { id: createId(), version: 1, created: at, lastModified: at, ...known };
  if (isDeepStrictEqual(before.native, known.native) && isDeepStrictEqual(before.attributes, known.attributes))
    return before;
  return { ...before, ...known, version: before.version + 1, lastModified: at };
}
