/** Held resources as the engine of SCIM sees them. */
import { nativeAccountSchema } from "../accounts/found-account.ts";
import type { JsonObject, Member, MemberRead, ResourceRead, StoredResource } from "@branchward/scim";
import type { HeldGroup, HeldUser, Snapshot } from "../state/snapshot.ts";

/** A group with as many of its members as are asked for. */
export function toStoredGroup(snapshot: Snapshot, group: HeldGroup, read: MemberRead): StoredResource {
  const isShown = read === "all" || (read !== "none" && group.members.size <= read.atMost);
  return { ...toStored(group), members: isShown ? listMembers(snapshot, group) : undefined };
}

/** A user, with the groups that hold it where they are asked for. */
export function toStoredUser(snapshot: Snapshot, user: HeldUser, { derived }: ResourceRead): StoredResource {
  const groups = derived.includes("groups") ? { groups: listGroups(snapshot, user.id) } : {};
  const stored = toStored(user);
  return { ...stored, attributes: { ...stored.attributes, ...toMark(user), ...groups }, members: undefined };
}

/** Whoever adopts an account sees that nobody has. */
function toMark({ isFound }: HeldUser): JsonObject {
  return isFound ? { [nativeAccountSchema.id]: { state: "found" } } : {};
}

/** What filters and sorting look at; what costs is made when it is looked at. */
export function toDocument(snapshot: Snapshot, held: HeldUser | HeldGroup): JsonObject {
  const { id, created, lastModified, version, attributes } = held;
  return {
    id,
    ...attributes,
    ...("members" in held ? {} : toMark(held)),
    meta: { created, lastModified, version: String(version) },
    get members() {
      return "members" in held ? listMembers(snapshot, held).map((member) => ({ ...member })) : [];
    },
    get groups() {
      return "members" in held ? [] : listGroups(snapshot, id);
    },
  };
}

function toStored({ id, version, created, lastModified, attributes }: HeldUser | HeldGroup) {
  return {
    id,
    version: String(version),
    created: new Date(created),
    lastModified: new Date(lastModified),
    attributes,
    members: undefined,
  };
}

function listMembers({ users, groups }: Snapshot, { members }: HeldGroup): readonly Member[] {
  return [...members].map((value) => {
    const isGroup = groups.has(value);
    const { attributes = {} } = users.get(value) ?? groups.get(value) ?? {};
    const name = isGroup ? attributes["displayName"] : attributes["userName"];
    return { value, type: isGroup ? "Group" : "User", ...(typeof name === "string" ? { display: name } : {}) };
  });
}

function listGroups({ groups }: Snapshot, userId: string): readonly JsonObject[] {
  return [...groups.values()]
    .filter(({ members }) => members.has(userId))
    .map(({ id, attributes }) => ({ value: id, display: attributes["displayName"], type: "direct" }));
}
