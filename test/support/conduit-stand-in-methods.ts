/** Methods of stock Conduit, as they were seen to answer. */
import {
  Refusal,
  makePhid,
  nextId,
  toSlug,
  toText,
  type StandInProject,
  type StandInUser,
  type StandInWorld,
} from "./conduit-stand-in-world.ts";

export type Parameters = Readonly<Record<string, unknown>>;
export type Method = (parameters: Parameters, caller: StandInUser) => unknown;

interface Transaction {
  readonly type: string;
  readonly value: unknown;
}

const isoEpoch = 1_795_320_000;

/** Makes the methods over a world. */
export function createStockMethods(world: StandInWorld): Readonly<Record<string, Method>> {
  return {
    "user.search": (parameters) => searchUsers(world, parameters),
    "user.query": (parameters) => {
      const emails = listTexts(parameters["emails"]).map((email) => email.toLowerCase());
      return world.users
        .filter(({ email }) => emails.includes(email.toLowerCase()))
        .map(({ phid, userName }) => ({ phid, userName }));
    },
    "user.edit": (parameters, caller) => editUser(world, parameters, caller),
    "project.search": (parameters) => searchProjects(world, parameters),
    "project.query": (parameters) => {
      const phids = listTexts(parameters["phids"]);
      const found = world.projects.filter(({ phid }) => phids.includes(phid));
      return { data: Object.fromEntries(found.map(({ phid, slugs }) => [phid, { phid, slugs: [...slugs] }])) };
    },
    "project.edit": (parameters) => editProject(world, parameters),
    "diffusion.repository.search": (parameters) =>
      toPage(
        world.repositories.map(({ id, phid, name, shortName, vcs, pushPolicy }) => ({
          id,
          phid,
          fields: {
            name,
            vcs,
            callsign: null,
            shortName,
            policy: { view: "users", edit: "admin", "diffusion.push": pushPolicy },
          },
        })),
        parameters,
      ),
  };
}

function searchUsers(world: StandInWorld, parameters: Parameters): unknown {
  const constraints = readConstraints(parameters, ["phids", "usernames"]);
  const phids = constraints["phids"];
  const names = constraints["usernames"]?.map((name) => name.toLowerCase());
  const found = world.users.filter(
    ({ phid, userName }) => (phids?.includes(phid) ?? true) && (names?.includes(userName.toLowerCase()) ?? true),
  );
  return toPage(
    found.map((user) => ({
      id: user.id,
      phid: user.phid,
      fields: {
        username: user.userName,
        realName: user.realName,
        roles: [
          ...(user.isDisabled ? ["disabled"] : []),
          ...(user.isBot ? ["bot"] : []),
          ...(user.isMailingList ? ["list"] : []),
          ...(user.isEmailVerified ? ["verified"] : []),
          ...(user.isApproved ? ["approved"] : []),
        ],
        dateCreated: isoEpoch,
      },
      attachments: {},
    })),
    parameters,
  );
}

function editUser(world: StandInWorld, parameters: Parameters, caller: StandInUser): unknown {
  if (parameters["objectIdentifier"] === undefined)
    throw refuse(
      "[You Shall Not Pass: PhabricatorUserEditEngine] (Can Edit) You do not have permission to edit this object. // By default, no one can take this action.",
    );
  const user = world.users.find(({ phid }) => phid === parameters["objectIdentifier"]);
  if (user === undefined) throw refuse(`No object exists with PHID "${toText(parameters["objectIdentifier"])}".`);
  const made = listTransactions(parameters).filter(({ type, value }) => {
    if (type === "disabled") {
      if (user === caller) throw refuse("Validation errors:\n  - You can not enable or disable your own account.");
      const isChange = user.isDisabled !== value;
      user.isDisabled = value === true;
      return isChange;
    }
    if (type === "approved") {
      const isChange = user.isApproved !== value;
      user.isApproved = value === true;
      return isChange;
    }
    throw refuse(
      `[You Shall Not Pass: ${user.userName}] (Can Edit) You do not have permission to edit this object. // By default, no one can take this action. Only you can edit your information.`,
    );
  });
  return toEdited(user, made);
}

function searchProjects(world: StandInWorld, parameters: Parameters): unknown {
  const { status } = readRecord(parameters["constraints"]);
  const constraints = readConstraints(parameters, ["phids", "slugs", "members", "status"]);
  const { phids, slugs, members } = constraints;
  const found = world.projects.filter(
    (project) =>
      // Archived ones are left out unless asked for, also by PHID.
      (status === "all" || !project.isArchived) &&
      (phids?.includes(project.phid) ?? true) &&
      (slugs?.some((slug) => project.slugs.has(slug)) ?? true) &&
      (members?.some((member) => project.members.has(member)) ?? true),
  );
  return toPage(found.map(toFoundProject), parameters);
}

function toFoundProject(project: StandInProject): { readonly id: number } & Record<string, unknown> {
  const { id, phid, name, slug, isArchived, members, view, edit, join } = project;
  return {
    id,
    phid,
    fields: {
      name,
      slug,
      milestone: null,
      depth: 0,
      status: isArchived ? "archived" : "active",
      dateCreated: isoEpoch,
      policy: { view, edit, join },
    },
    attachments: { members: { members: [...members].map((member) => ({ phid: member })) } },
  };
}

function editProject(world: StandInWorld, parameters: Parameters): unknown {
  const identifier = parameters["objectIdentifier"];
  const found = world.projects.find(({ phid }) => phid === identifier);
  if (identifier !== undefined && found === undefined)
    throw refuse(`No object exists with PHID "${toText(identifier)}".`);
  const id = nextId(world.projects);
  // By default whoever sees a project may edit it, and so join it.
  const fresh = { id, phid: makePhid("PROJ"), name: "", slug: "", slugs: new Set<string>(), isArchived: false };
  const project = found ?? { ...fresh, members: new Set<string>(), view: "users", edit: "users", join: "users" };
  const transactions = listTransactions(parameters);
  // What is refused changes nothing, so that all is checked before.
  for (const transaction of transactions) checkProjectTransaction(world, project, transaction);
  const made = transactions.filter((transaction) => applyProjectTransaction(project, transaction));
  if (found === undefined) world.projects.push(project);
  return toEdited(project, made);
}

const projectTypes = ["name", "icon", "slugs", "members.add", "members.remove", "members.set", "view", "edit", "join"];

function checkProjectTransaction(world: StandInWorld, project: StandInProject, { type, value }: Transaction): void {
  if (!projectTypes.includes(type))
    throw refuse(
      `Transaction with key "0" has invalid type "${type}". This type is not recognized. Valid types are: ${projectTypes.join(", ")}.`,
    );
  if (type === "edit" && value !== "admin" && value !== "users")
    throw refuse(
      "Validation errors:\n  - The edit policy of this object would no longer allow you to edit the object.",
    );
  if (type !== "name") return;
  const slug = toSlug(toText(value));
  if (slug === "") throw refuse("Validation errors:\n  - Project names must contain at least one letter or number.");
  if (world.projects.some((other) => other.phid !== project.phid && other.slugs.has(slug)))
    throw refuse(
      `Validation errors:\n  - Project name generates the same hashtag ("#${slug}") as another existing project. Choose a unique name.`,
    );
}

/** Whether the transaction had an effect. Members are taken whoever they are, also PHIDs of nobody. */
function applyProjectTransaction(project: StandInProject, { type, value }: Transaction): boolean {
  const before = JSON.stringify([project, [...project.members], [...project.slugs]]);
  switch (type) {
    case "name":
      project.name = toText(value).trim();
      project.slug = toSlug(project.name);
      // The former hashtag stays.
      project.slugs.add(project.slug);
      break;
    case "slugs":
      project.slugs.clear();
      for (const slug of [project.slug, ...listTexts(value).map(toSlug)]) project.slugs.add(slug);
      break;
    case "members.add":
      for (const member of listTexts(value)) project.members.add(member);
      break;
    case "members.remove":
      for (const member of listTexts(value)) project.members.delete(member);
      break;
    case "view":
    case "edit":
    case "join":
      project[type] = toText(value);
      break;
    default:
      break;
  }
  return JSON.stringify([project, [...project.members], [...project.slugs]]) !== before;
}

function toEdited({ id, phid }: { readonly id: number; readonly phid: string }, made: readonly Transaction[]): unknown {
  return { object: { id, phid }, transactions: made.map(() => ({ phid: makePhid("XACT-TEST") })) };
}

/** A page by ascending id; `cursor.after` is a text. */
function toPage(all: readonly ({ readonly id: number } & object)[], parameters: Parameters): unknown {
  const limit = Number(parameters["limit"] ?? 100);
  if (limit > 100)
    throw new Refusal(
      "ERR-INVALID-PAGE-SIZE",
      `Maximum page size for Conduit API method calls is 100, but this call specified ${limit}.`,
    );
  const after = Number(parameters["after"] ?? 0);
  const rest = all.filter(({ id }) => id > after);
  const data = rest.slice(0, limit);
  const cursor = { limit, after: rest.length > limit ? String(data.at(-1)?.id) : null, before: null, order: "oldest" };
  return { data, maps: {}, query: { queryKey: null }, cursor };
}

function readConstraints(
  parameters: Parameters,
  known: readonly string[],
): Readonly<Record<string, readonly string[] | undefined>> {
  const constraints = readRecord(parameters["constraints"]);
  if (Object.keys(constraints).some((key) => !known.includes(key)))
    throw new Refusal("ERR-INVALID-CONSTRAINT", 'Parameter "constraints" includes an invalid key.');
  return Object.fromEntries(Object.entries(constraints).map(([key, value]) => [key, listTexts(value)]));
}

function listTransactions(parameters: Parameters): readonly Transaction[] {
  const list: readonly unknown[] = Array.isArray(parameters["transactions"]) ? parameters["transactions"] : [];
  return list.map(readRecord).map(({ type, value }) => ({ type: toText(type), value }));
}

function readRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** The texts of a list, or one text alone. */
export function listTexts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(toText) : typeof value === "string" ? [value] : [];
}

function refuse(message: string): Refusal {
  return new Refusal("ERR-CONDUIT-CORE", message);
}
