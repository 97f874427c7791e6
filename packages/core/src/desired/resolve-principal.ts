import { foldName } from "../fold-name.ts";
import type { Principal } from "../policy/types.ts";
import type { AccessFacts, DirectoryUser, DirectoryUsers, GroupResolution } from "./types.ts";

/** Users as the facts want them, found by id and by name. */
export function toDirectoryUsers(users: readonly DirectoryUser[]): DirectoryUsers {
  return {
    byId: new Map(users.map((user) => [user.id, user])),
    byUserName: new Map(users.map((user) => [foldName(user.userName), user])),
  };
}

/** A user whom a principal means, and by which way. */
export interface Subject {
  readonly user: DirectoryUser;
  readonly path: readonly string[];
}

export interface Resolution {
  readonly state: GroupResolution["state"] | "unknown-user";
  readonly subjects: readonly Subject[];
}

/** Whom a principal means (rule B4): nobody while its group is unbound, the last known members while it is lost. */
export function resolvePrincipal(
  { groups, users }: Pick<AccessFacts, "groups" | "users">,
  principal: Principal,
): Resolution {
  if (principal.kind !== "group") {
    const user = findUserByName(users, principal.userName);
    return user === undefined
      ? { state: "unknown-user", subjects: [] }
      : { state: "bound", subjects: [{ user, path: [] }] };
  }
  const group = groups.get(principal.reference);
  if (group === undefined || group.state === "unbound") return { state: "unbound", subjects: [] };
  const subjects = group.members.flatMap(({ userId, path }) => {
    const user = users.byId.get(userId);
    return user === undefined ? [] : [{ user, path }];
  });
  return { state: group.state, subjects };
}

/** The user of that name, as the directory compares names. */
export function findUserByName(users: DirectoryUsers, userName: string): DirectoryUser | undefined {
  return users.byUserName.get(foldName(userName));
}

/** The user's value for `${user.<attribute>}`. */
export function attributeOf(user: DirectoryUser): (attribute: string) => string | undefined {
  return (attribute) => {
    if (attribute === "userName") return user.userName;
    return Object.hasOwn(user.attributes, attribute) ? user.attributes[attribute] : undefined;
  };
}
