/** The methods of `apps/bridge/phabricator-extension`, as they were seen to answer on a real server. */
import { listTexts, type Method, type Parameters } from "./conduit-stand-in-methods.ts";
import {
  addUser,
  makePhid,
  nextId,
  Refusal,
  toText,
  type StandInRule,
  type StandInUser,
  type StandInWorld,
} from "./conduit-stand-in-world.ts";

/** Makes the methods over a world. */
export function createExtensionMethods(world: StandInWorld): Readonly<Record<string, Method>> {
  return {
    "branchward.info": (_, caller) => ({ version: 1, caller: caller.phid }),
    "branchward.user.search": (parameters) => searchUsers(world, parameters),
    "branchward.user.create": (parameters) => createUser(world, parameters),
    "branchward.user.edit": (parameters) => editUser(world, parameters),
    "branchward.project.edit": ({ project, archived }) => {
      const found = world.projects.find(({ phid }) => phid === project);
      if (found === undefined) throw new Refusal("ERR-NOT-FOUND", `No project "${toText(project)}".`);
      found.isArchived = archived === true;
      return { phid: found.phid, archived: found.isArchived };
    },
    "branchward.rule.search": (parameters) => {
      const names = parameters["names"] === undefined ? undefined : listTexts(parameters["names"]);
      return toPage(world.rules.filter(({ name }) => names?.includes(name) ?? true).map(toFoundRule), parameters);
    },
    "branchward.rule.edit": (parameters) => editRule(world, parameters),
  };
}

function toFoundUser(user: StandInUser) {
  const { id, phid, userName, realName, email, isEmailVerified, isDisabled, isApproved, isBot, isMailingList } = user;
  const flags = { isEmailVerified, isDisabled, isApproved, isAdmin: false, isBot, isMailingList };
  return { id, phid, userName, realName, email, ...flags, sshKeys: user.sshKeys, dateCreated: 1_795_320_000 };
}

function searchUsers(world: StandInWorld, parameters: Parameters): unknown {
  const phids = parameters["phids"] === undefined ? undefined : listTexts(parameters["phids"]);
  const names =
    parameters["userNames"] === undefined
      ? undefined
      : listTexts(parameters["userNames"]).map((name) => name.toLowerCase());
  const found = world.users.filter(
    ({ phid, userName }) => (phids?.includes(phid) ?? true) && (names?.includes(userName.toLowerCase()) ?? true),
  );
  return toPage(found.map(toFoundUser), parameters);
}

function createUser(world: StandInWorld, parameters: Parameters): unknown {
  const userName = toText(parameters["userName"]);
  const email = toText(parameters["email"]);
  if (!/^[\w.-]*[\w-]$/.test(userName))
    throw new Refusal("ERR-BAD-VALUE", "Usernames must contain only numbers, letters, period, underscore, and hyphen.");
  if (!/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email))
    throw new Refusal("ERR-BAD-VALUE", 'Email addresses should be in the form "user@domain.com".');
  const named = findByName(world, userName);
  const addressed = findByEmail(world, email);
  if (named !== undefined && named === addressed) return { created: false, user: toFoundUser(named) };
  if (named !== undefined) throw new Refusal("ERR-TAKEN", `The user name "${userName}" is taken.`);
  if (addressed !== undefined) throw new Refusal("ERR-TAKEN", `The address "${email}" is taken.`);
  const made = addUser(world, {
    userName,
    email,
    realName: toText(parameters["realName"]),
    isBot: parameters["isBot"] === true,
  });
  return { created: true, user: toFoundUser(made) };
}

function editUser(world: StandInWorld, parameters: Parameters): unknown {
  const user = world.users.find(({ phid }) => phid === parameters["user"]);
  if (user === undefined) throw new Refusal("ERR-NOT-FOUND", `No user "${toText(parameters["user"])}".`);
  const { userName, email, realName, vcsPassword, sshKeys } = parameters;
  if (userName !== undefined) {
    const other = findByName(world, toText(userName));
    if (other !== undefined && other !== user)
      throw new Refusal(
        "ERR-BAD-VALUE",
        `Validation errors:\n  - Another user already has the username "${toText(userName)}".`,
      );
    user.userName = toText(userName);
  }
  if (realName !== undefined) user.realName = toText(realName);
  if (email !== undefined) {
    const other = findByEmail(world, toText(email));
    if (other !== undefined && other !== user)
      throw new Refusal("ERR-TAKEN", `The address "${toText(email)}" is taken.`);
    user.email = toText(email);
  }
  if (vcsPassword !== undefined) user.vcsPassword = toText(vcsPassword);
  if (sshKeys !== undefined) editKeys(user, listTexts(sshKeys));
  return toFoundUser(user);
}

function editKeys(user: StandInUser, wanted: readonly string[]): void {
  for (const key of wanted)
    if (user.revokedKeys.has(key))
      throw new Refusal(
        "ERR-BAD-VALUE",
        "Validation errors:\n  - This key has been revoked. Choose or generate a new, unique key.",
      );
  for (const key of user.sshKeys) if (!wanted.includes(key)) user.revokedKeys.add(key);
  user.sshKeys = [...wanted];
}

function editRule(world: StandInWorld, parameters: Parameters): unknown {
  const text = (name: string): string => toText(parameters[name]);
  const isDisabled = parameters["disabled"] === true;
  const repository = world.repositories.find(({ phid }) => phid === parameters["repository"]);
  if (repository === undefined) throw new Refusal("ERR-NOT-FOUND", `No repository "${text("repository")}".`);
  if (!isDisabled && repository.commits === 0)
    throw new Refusal(
      "ERR-EMPTY-REPOSITORY",
      "No commit of the repository has been imported yet: a push of more than 7 commits would count as an import, for which Herald asks no rule.",
    );
  if (!world.projects.some(({ phid }) => phid === parameters["project"]))
    throw new Refusal("ERR-NOT-FOUND", `No project "${text("project")}".`);
  const state = {
    refType: text("refType"),
    ref: text("ref"),
    project: text("project"),
    message: text("message"),
    isIntact: true,
    isDisabled,
  };
  const found = world.rules.find((rule) => rule.name === parameters["name"] && rule.repository === repository.phid);
  if (found !== undefined) return toFoundRule(Object.assign(found, state));
  const id = nextId(world.rules);
  const made = { id, phid: makePhid("HRUL"), name: text("name"), repository: repository.phid, ...state };
  world.rules.push(made);
  return toFoundRule(made);
}

/** A rule with other conditions than ours tells nothing of its parts. */
function toFoundRule({ id, phid, name, repository, isIntact, isDisabled, ...parts }: StandInRule) {
  const { refType, ref, project } = isIntact ? parts : { refType: null, ref: null, project: null };
  return { id, phid, name, repository, refType, ref, project, isIntact, isDisabled };
}

function findByName({ users }: StandInWorld, name: string): StandInUser | undefined {
  return users.find(({ userName }) => userName.toLowerCase() === name.toLowerCase());
}

function findByEmail({ users }: StandInWorld, address: string): StandInUser | undefined {
  return users.find(({ email }) => email.toLowerCase() === address.toLowerCase());
}

function toPage(all: readonly { readonly id: number }[], parameters: Parameters): unknown {
  const limit = Number(parameters["limit"] ?? 100);
  const rest = all.filter(({ id }) => id > Number(parameters["after"] ?? 0));
  const data = rest.slice(0, limit);
  return { data, after: rest.length > limit ? data.at(-1)?.id : null };
}
