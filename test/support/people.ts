/** The directory as an identity provider fills it: users and groups over SCIM, known by name. */
import { type ScimClient, toEqualityFilter } from "@branchward/scim";

export interface People {
  /** Makes users who have no such name yet; each gets `<name>@example.com`. */
  addUsers(...userNames: readonly string[]): Promise<void>;
  /** Makes a group; members are names of users, or of groups after `group:`. @returns its id. */
  addGroup(displayName: string, members: readonly string[]): Promise<string>;
  join(group: string, member: string): Promise<void>;
  leave(group: string, member: string): Promise<void>;
  setActive(userName: string, active: boolean): Promise<void>;
  deleteUser(userName: string): Promise<void>;
  renameGroup(from: string, to: string): Promise<void>;
  deleteGroup(displayName: string): Promise<void>;
  /** SCIM id → userName of everybody there is. */
  listNames(): Promise<ReadonlyMap<string, string>>;
  getUserId(userName: string): Promise<string>;
  /** Waits until every branch knows what was said so far: groups are bound, and looks are asked for (rules B4, D1). */
  settle(): Promise<void>;
}

export function createPeople(scim: ScimClient, settle: () => Promise<void>): People {
  async function getUserId(userName: string): Promise<string> {
    const [user] = await scim.findUsers(toEqualityFilter("userName", userName));
    if (user === undefined) throw new Error(`the directory has no user ${userName}`);
    return user.id;
  }

  async function getGroupId(displayName: string): Promise<string> {
    const [group] = await scim.findGroups(toEqualityFilter("displayName", displayName), { excludeMembers: true });
    if (group === undefined) throw new Error(`the directory has no group ${displayName}`);
    return group.id;
  }

  const getMemberId = (name: string): Promise<string> =>
    name.startsWith("group:") ? getGroupId(name.slice("group:".length)) : getUserId(name);

  const patchActive = (id: string, active: boolean) =>
    scim.patchUser(id, [{ op: "replace", path: "active", value: active }]);

  return {
    settle,
    getUserId,
    async addUsers(...userNames) {
      for (const userName of userNames) {
        if ((await scim.findUsers(toEqualityFilter("userName", userName))).length > 0) continue;
        const emails = [{ value: `${userName}@example.com`, type: "work", primary: true }];
        await scim.createUser({ userName, displayName: userName, active: true, emails });
      }
    },
    async addGroup(displayName, members) {
      const values = await Promise.all(members.map(async (name) => ({ value: await getMemberId(name) })));
      return (await scim.createGroup({ displayName, members: values })).id;
    },
    async join(group, member) {
      await scim.patchMembers(await getGroupId(group), { add: [await getMemberId(member)], remove: [] });
    },
    async leave(group, member) {
      await scim.patchMembers(await getGroupId(group), { add: [], remove: [await getMemberId(member)] });
    },
    async setActive(userName, active) {
      await patchActive(await getUserId(userName), active);
    },
    async deleteUser(userName) {
      await scim.deleteUser(await getUserId(userName));
    },
    async renameGroup(from, to) {
      await scim.patchGroup(await getGroupId(from), [{ op: "replace", path: "displayName", value: to }]);
    },
    async deleteGroup(displayName) {
      await scim.deleteGroup(await getGroupId(displayName));
    },
    async listNames() {
      return new Map((await scim.findUsers(undefined)).map((user) => [user.id, user.userName]));
    },
  };
}
