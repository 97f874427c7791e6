/** The identity provider's side: real requests, and the same in the oracle. */
import type { Command, Person, Team } from "./commands.ts";
import { bindReferences, deleteGroup, type World } from "./oracle/world.ts";
import { insist } from "./play.ts";
import type { ModelSystem } from "./system.ts";

const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

export type DirectoryCommand = Extract<
  Command,
  {
    do:
      | "join"
      | "leave"
      | "deactivate"
      | "reactivate"
      | "deleteUser"
      | "addUser"
      | "renameUser"
      | "renameTeam"
      | "deleteTeam"
      | "addTeam";
  }
>;

export interface ModelDirectory {
  /** People and teams as a schedule finds them. */
  prepare(): Promise<void>;
  apply(command: DirectoryCommand): Promise<void>;
  /** The id of the person's present account in the directory; undefined once deleted. */
  idOf(person: Person | "zed"): string | undefined;
}

interface DirectoryDeps {
  readonly system: ModelSystem;
  readonly world: World;
  readonly lines: string[];
}

interface State extends DirectoryDeps {
  /** Who is in the directory under the name that the schedule knows, by id. */
  readonly people: Map<string, string>;
  readonly teams: Map<string, string>;
}

export function createModelDirectory(deps: DirectoryDeps): ModelDirectory {
  const state: State = { ...deps, people: new Map(), teams: new Map() };
  return {
    idOf: (person) => state.people.get(person),
    prepare: () => prepare(state),
    apply: (command) => apply(state, command),
  };
}

async function prepare(state: State): Promise<void> {
  // No account has the same id at two endpoints.
  for (const [index, endpoint] of state.system.endpoints.entries()) {
    for (let filler = 0; filler < index; filler += 1) await endpoint.addAccount(`filler-${filler}`, `filler-${filler}`);
  }
  for (const person of ["zed", "bea", "cal", "dan", "robot"]) await addUser(state, person);
  const [zed = "", bea = "", cal = "", dan = ""] = ["zed", "bea", "cal", "dan"].map((name) => state.people.get(name));
  await addTeam(state, "inner", [dan]);
  await addTeam(state, "engineering", [zed, bea, cal]);
  await addTeam(state, "managers", [zed, bea]);
  await addTeam(state, "contractors", []);
}

async function apply(state: State, command: DirectoryCommand): Promise<void> {
  switch (command.do) {
    case "join":
    case "leave":
      return setMember(state, command);
    case "deactivate":
    case "reactivate":
      return setActive(state, command.person, command.do === "reactivate");
    case "renameUser":
      return renameUser(state, command.person);
    case "addUser": {
      const isTaken = state.world.users.values().some((user) => user.userName === command.person);
      return isTaken || state.people.has(command.person) ? undefined : addUser(state, command.person);
    }
    case "deleteUser":
      return deleteUser(state, command.person);
    case "renameTeam":
    case "deleteTeam":
    case "addTeam":
      return changeTeam(state, command.do, command.team);
  }
}

/** An identity provider that had no answer asks again. */
async function patch(state: State, path: string, operation: object): Promise<void> {
  const body = { schemas: [PATCH], Operations: [operation] };
  await insist(state, () => state.system.provision("PATCH", path, body));
}

async function addUser({ system, world, people }: State, person: string): Promise<void> {
  const id = await system.provision("POST", "/Users", { schemas: [USER], userName: person });
  people.set(person, id);
  world.users.set(id, { userName: person, active: true });
  for (const endpoint of system.endpoints) await endpoint.addAccount(id, person);
}

async function deleteUser(state: State, person: string): Promise<void> {
  const { system, world, people } = state;
  const id = people.get(person);
  if (id === undefined) return;
  await insist(state, () => system.provision("DELETE", `/Users/${id}`));
  people.delete(person);
  if (world.users.get(id)?.active === true) world.departures.set(id, world.now);
  world.users.delete(id);
  for (const group of world.groups.values()) group.members.delete(id);
  // A name is free at an endpoint once whoever bore it is called otherwise.
  for (const endpoint of system.endpoints) await endpoint.renameAccount(id, `${person}-${id}`);
}

async function setActive(state: State, person: Person, active: boolean): Promise<void> {
  const id = state.people.get(person);
  const user = state.world.users.get(id ?? "");
  if (user === undefined || user.active === active) return;
  await patch(state, `/Users/${id ?? ""}`, { op: "replace", path: "active", value: active });
  user.active = active;
  if (active) state.world.departures.delete(id ?? "");
  else state.world.departures.set(id ?? "", state.world.now);
}

async function renameUser(state: State, person: Person): Promise<void> {
  const id = state.people.get(person);
  const user = state.world.users.get(id ?? "");
  if (user === undefined) return;
  const userName = user.userName === person ? `${person}-2` : person;
  await patch(state, `/Users/${id ?? ""}`, { op: "replace", path: "userName", value: userName });
  user.userName = userName;
}

async function addTeam({ system, world, teams }: State, team: string, members: readonly string[]): Promise<void> {
  const values = members.map((value) => ({ value }));
  const id = await system.provision("POST", "/Groups", { schemas: [GROUP], displayName: team, members: values });
  teams.set(team, id);
  world.groups.set(id, { name: team, members: new Set(members) });
}

type Membership = Extract<Command, { do: "join" | "leave" }>;

async function setMember(state: State, { do: what, team, member }: Membership): Promise<void> {
  const groupId = state.teams.get(team);
  const memberId = member === "inner" ? state.teams.get("inner") : state.people.get(member);
  const group = state.world.groups.get(groupId ?? "");
  const isMember = what === "join";
  if (group === undefined || memberId === undefined || group.members.has(memberId) === isMember) return;
  const operation = isMember
    ? { op: "add", path: "members", value: [{ value: memberId }] }
    : { op: "remove", path: `members[value eq "${memberId}"]` };
  await patch(state, `/Groups/${groupId ?? ""}`, operation);
  if (isMember) group.members.add(memberId);
  else group.members.delete(memberId);
}

async function changeTeam(state: State, what: "renameTeam" | "deleteTeam" | "addTeam", team: Team): Promise<void> {
  const { system, world, teams, people } = state;
  // Which group of a name is bound depends on when the fan-out looks.
  await insist(state, () => system.readChanges());
  const id = teams.get(team);
  if (what === "addTeam" && id === undefined) await addTeam(state, team, [people.get("zed") ?? ""]);
  if (what === "deleteTeam" && id !== undefined) {
    await insist(state, () => system.provision("DELETE", `/Groups/${id}`));
    deleteGroup(world, id);
    teams.delete(team);
  }
  if (what === "renameTeam" && id !== undefined) await renameTeam(state, team, id);
  await insist(state, () => system.readChanges());
  bindReferences(world);
}

/** Under its old name another may be made. */
async function renameTeam(state: State, team: Team, id: string): Promise<void> {
  const displayName = `${team}-2`;
  const group = state.world.groups.get(id);
  if (group === undefined || state.world.groups.values().some((other) => other.name === displayName)) return;
  await patch(state, `/Groups/${id}`, { op: "replace", path: "displayName", value: displayName });
  group.name = displayName;
  state.teams.delete(team);
}
