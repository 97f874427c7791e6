/** What clients do to groups: written to Phabricator first, then kept. */
import { isDeepStrictEqual } from "node:util";
import {
  type JsonObject,
  type Member,
  type MemberRead,
  type ResourceState,
  type ResourceUpdate,
  ScimError,
  type StoredResource,
} from "@branchward/scim";
import { uuidv7 } from "uuidv7";
import { findEntitlement, requireMarks } from "../state/entitlement.ts";
import type { HeldGroup } from "../state/snapshot.ts";
import type { BridgeContext } from "../store/context.ts";
import { applyDelta, requireFence } from "../store/groups.ts";
import { toStoredGroup } from "../store/render.ts";
import { ConduitError } from "./conduit.ts";
import { findRuleDraft, type RuleDraft } from "./entitlement-rule.ts";
import { intentPrefix, isDeleted, isPending, type Ledger } from "./ledger.ts";
import type { Phabricator } from "./phabricator.ts";
import type { Project } from "./projects.ts";
import { findUnlimited, putLimit, restoreLimit } from "./push-limits.ts";
import { textOf } from "../state/text-of.ts";

/** What the writer works with. */
export interface GroupWriterOptions {
  readonly phabricator: Phabricator;
  readonly ledger: Ledger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Writes of groups. All throw `ScimError` and `ConduitError`. */
export interface GroupWriter {
  create(context: BridgeContext, state: ResourceState): Promise<StoredResource>;
  update(context: BridgeContext, id: string, update: ResourceUpdate): Promise<StoredResource>;
  delete(context: BridgeContext, id: string, check: (current: StoredResource) => void): Promise<void>;
  /** The group as it is now, its rule standing; undefined for one that is not there. */
  look(id: string): Promise<HeldGroup | undefined>;
}

/** Projects' names are at most this long. */
const maxNameBytes = 128;

/** Makes the writer of groups. */
export function createGroupWriter(options: GroupWriterOptions): GroupWriter {
  return {
    look: async (id) => (await lookGroup(options, id))?.held,
    create: async (context, state) => show(options, await createGroup(options, context, state), "all"),
    update: (context, id, update) => updateGroup(options, { context, id, update }),
    delete: (context, id, check) => deleteGroup(options, { context, id, check }),
  };
}

function show({ ledger }: GroupWriterOptions, group: HeldGroup, members: MemberRead): StoredResource {
  return toStoredGroup(ledger.get(), group, members);
}

/** A group and the project that it was read from. */
interface Looked {
  readonly held: HeldGroup;
  readonly project: Project;
}

async function lookGroup({ phabricator, ledger }: GroupWriterOptions, id: string): Promise<Looked | undefined> {
  const held = ledger.get().groups.get(id);
  if (held === undefined || held.id.startsWith(intentPrefix)) return undefined;
  const [project] = await phabricator.projects.find([id]);
  if (project !== undefined && !project.isArchived) return { held: ledger.noteProject(held, project), project };
  // Archived or destroyed by an administrator of the server.
  await ledger.drop(id);
  return undefined;
}

async function getGroup(options: GroupWriterOptions, context: BridgeContext, id: string): Promise<Looked> {
  const looked = await lookGroup(options, id);
  if (looked === undefined) throw new ScimError(404, `no Group with id ${id}`);
  requireFence(context, looked.held);
  return looked;
}

async function createGroup(
  options: GroupWriterOptions,
  { fence = 0 }: BridgeContext,
  { attributes, members }: ResourceState,
): Promise<HeldGroup> {
  const { phabricator, ledger } = options;
  requireMarks(attributes);
  const name = requireName(ledger, attributes, undefined);
  const ids = applyDelta(new Set(), members);
  const phids = toPhids(ledger, [...ids]);
  const draft = await findRuleDraft(phabricator.repositories, attributes);
  if (draft !== undefined) await phabricator.extension.require("limit who pushes to a branch");
  const at = new Date(options.now()).toISOString();
  const group = { version: 1, created: at, lastModified: at, attributes, members: ids, fence };
  const id = await makeProject(options, { ...group, id: `${intentPrefix}${uuidv7()}` }, phids);
  const project = await readBack(options, id, { name, members: phids });
  if (draft !== undefined) await limitOrUndo(phabricator, { ...draft, project: id }, project);
  return settle(options, { ...group, id }, project);
}

async function updateGroup(
  options: GroupWriterOptions,
  request: { readonly context: BridgeContext; readonly id: string; readonly update: ResourceUpdate },
): Promise<StoredResource> {
  const { context, id, update } = request;
  const looked = await getGroup(options, context, id);
  const { held } = looked;
  const state = update.change(show(options, held, update.readMembers));
  const members = applyDelta(held.members, state.members);
  const fence = context.fence ?? held.fence;
  if (members === held.members && isDeepStrictEqual(state.attributes, held.attributes)) {
    // A write that changes nothing still shows that a newer lease is at work.
    if (fence > held.fence) await options.ledger.putGroup({ ...held, fence });
    return show(options, held, update.returns.members);
  }
  const wanted = await applyGroup(options, looked, { attributes: state.attributes, members });
  const project = await readBack(options, id, wanted);
  const lastModified = new Date(options.now()).toISOString();
  const group = { ...held, attributes: state.attributes, members, fence, version: held.version + 1, lastModified };
  return show(options, await settle(options, group, project), update.returns.members);
}

async function deleteGroup(
  options: GroupWriterOptions,
  request: {
    readonly context: BridgeContext;
    readonly id: string;
    readonly check: (current: StoredResource) => void;
  },
): Promise<void> {
  const { phabricator, ledger } = options;
  const { context, id, check } = request;
  const { held, project } = await getGroup(options, context, id);
  check(show(options, held, "none"));
  await phabricator.extension.require("archive a project");
  // Nobody is left in it before the branch is free again: what fails halfway is closed.
  await phabricator.projects.edit(id, { removeMembers: project.members });
  await releaseBranch(phabricator, held);
  await retire(phabricator, project);
  await ledger.drop(id);
}

async function releaseBranch({ rules }: Phabricator, { id, attributes }: HeldGroup): Promise<void> {
  const name = textOf(attributes, "externalId");
  for (const { repository, ref, refType, project, isDisabled } of await rules.find(name === "" ? [] : [name])) {
    if (project !== id || isDisabled || repository === undefined || ref === undefined) continue;
    const type = refType === "bookmark" ? "bookmark" : "branch";
    await rules.disable({ name, repository, ref, refType: type, project: id, message: "released" });
  }
}

/** Keeps what was written; the project was read back. */
async function settle({ ledger }: GroupWriterOptions, group: HeldGroup, project: Project): Promise<HeldGroup> {
  await ledger.putGroup(group);
  const seen = ledger.noteProject(group, project);
  await ledger.save();
  return seen;
}

/** @throws ConduitError where the project is not what was written */
async function readBack({ phabricator }: GroupWriterOptions, id: string, wanted: Wanted): Promise<Project> {
  const [project] = await phabricator.projects.find([id]);
  const difference = project === undefined ? "it is not there" : findDifference(project, wanted);
  if (project !== undefined && difference === undefined) return project;
  const reason = `the project ${id} reads back otherwise: ${difference}`;
  throw new ConduitError("project.search", { kind: "failed", reason });
}

interface Wanted {
  readonly name: string;
  readonly members: readonly string[];
}

function findDifference(project: Project, { name, members }: Wanted): string | undefined {
  if (project.name !== name) return `its name is ${project.name}`;
  if (!project.isClosed) return "others than administrators may edit or join it";
  const found = new Set(project.members);
  const missing = members.filter((member) => !found.has(member));
  const extra = project.members.filter((member) => !members.includes(member));
  if (missing.length === 0 && extra.length === 0) return undefined;
  return `${missing.length} members are missing, ${extra.length} are there besides`;
}

/** The intent is on the disk before the project is made (rule C6). */
async function makeProject(options: GroupWriterOptions, intent: HeldGroup, phids: readonly string[]): Promise<string> {
  const { phabricator, ledger } = options;
  const name = textOf(intent.attributes, "displayName");
  const before = await phabricator.projects.list();
  await ledger.putGroup(intent);
  try {
    const id = await phabricator.projects.create(name, phids, new Set(before.map(({ phid }) => phid)));
    await ledger.drop(intent.id);
    return id;
  } catch (error) {
    // Where it may have been made the intent stays: the next look at the server finds it.
    if (!(error instanceof ConduitError && error.outcomeUnknown)) await ledger.drop(intent.id);
    throw await toTaken(phabricator, error);
  }
}

/** A group whose branch cannot be limited must not look as if it were. */
async function limitOrUndo(
  phabricator: Phabricator,
  rule: RuleDraft & { readonly project: string },
  project: Project,
): Promise<void> {
  try {
    await putLimit(phabricator, rule);
  } catch (error) {
    await retire(phabricator, project);
    throw error;
  }
}

async function applyGroup(
  options: GroupWriterOptions,
  { held, project }: Looked,
  next: { readonly attributes: JsonObject; readonly members: ReadonlySet<string> },
): Promise<Wanted> {
  const { phabricator, ledger } = options;
  const { projects } = phabricator;
  requireMarks(next.attributes);
  requireSameKind(held.attributes, next.attributes);
  const name = requireName(ledger, next.attributes, held.id);
  const added = toPhids(
    ledger,
    [...next.members].filter((id) => !held.members.has(id)),
  );
  const removed = [...held.members].filter((id) => !next.members.has(id)).map((id) => phidOf(ledger, id) ?? id);
  const isSameBranch = isDeepStrictEqual(findEntitlement(next.attributes), findEntitlement(held.attributes));
  const draft = isSameBranch ? undefined : await findRuleDraft(phabricator.repositories, next.attributes);
  // Removals wait for nothing, and a rule stands before anybody is let in.
  await projects.edit(held.id, { removeMembers: removed, ...(project.isClosed ? {} : { close: true }) });
  if (draft !== undefined) await putLimit(phabricator, { ...draft, project: held.id });
  else if (added.length > 0)
    for (const group of await findUnlimited(phabricator, [held])) await restoreLimit(phabricator, group);
  const isRenamed = project.name !== name;
  try {
    await projects.edit(held.id, { ...(isRenamed ? { name } : {}), addMembers: added });
  } catch (error) {
    throw await toTaken(phabricator, error);
  }
  const isEntitlement = findEntitlement(next.attributes) !== undefined;
  if (isRenamed && isEntitlement && project.hashtag !== undefined)
    await projects.releaseHashtag(held.id, project.hashtag);
  const kept = project.members.filter((phid) => !removed.includes(phid));
  return { name, members: [...new Set([...kept, ...added])] };
}

/** Archives a project and frees its name for another one. */
async function retire({ projects }: Phabricator, project: Project): Promise<void> {
  const suffix = ` ~${project.phid.slice(-8)}`;
  // Cutting bytes may cut a character: what is left of it is no longer UTF-8 and goes.
  const bytes = Buffer.from(project.name).subarray(0, maxNameBytes - suffix.length - 4);
  await projects.edit(project.phid, { name: `${bytes.toString("utf8").replace(/\uFFFD+$/u, "")}${suffix}` });
  if (project.hashtag !== undefined) await projects.releaseHashtag(project.phid, project.hashtag);
  await projects.archive(project.phid);
}

function requireName(ledger: Ledger, attributes: JsonObject, id: string | undefined): string {
  const name = textOf(attributes, "displayName");
  if (Buffer.byteLength(name) > maxNameBytes || name !== name.trim() || /[\p{Cc}\p{Cf}]/u.test(name)) {
    const detail = `displayName: Phabricator takes up to ${maxNameBytes} bytes, without control characters and without spaces around`;
    throw new ScimError(400, detail, "invalidValue");
  }
  const { externalId } = attributes;
  for (const group of ledger.get().groups.values()) {
    if (group.id === id || group.id.startsWith(intentPrefix)) continue;
    if (externalId !== undefined && group.attributes["externalId"] === externalId)
      throw new ScimError(
        409,
        `externalId ${textOf(attributes, "externalId")} is that of the group ${group.id}`,
        "uniqueness",
      );
  }
  return name;
}

function requireSameKind(before: JsonObject, after: JsonObject): void {
  const isEntitlement = findEntitlement(after) !== undefined;
  if ((findEntitlement(before) !== undefined) !== isEntitlement)
    throw new ScimError(400, "a group does not turn into an entitlement group, nor back", "mutability");
  // Its rule is found by it.
  if (isEntitlement && before["externalId"] !== after["externalId"])
    throw new ScimError(400, "an entitlement group keeps its externalId", "mutability");
}

/** Phabricator takes any PHID as a member and keeps it, so that only known users may pass. */
function toPhids(ledger: Ledger, ids: readonly Member["value"][]): readonly string[] {
  return ids.map((id) => {
    const phid = phidOf(ledger, id);
    if (phid !== undefined) return phid;
    if (ledger.get().groups.has(id))
      throw new ScimError(400, `Phabricator nests no groups: give the members of ${id} themselves`, "invalidValue");
    const user = ledger.get().users.get(id);
    const why =
      user !== undefined && isPending(user) ? `${id} waits for its owner's first login` : `no User with id ${id}`;
    throw new ScimError(400, `members: ${why}`, "invalidValue");
  });
}

function phidOf(ledger: Ledger, id: string): string | undefined {
  const user = ledger.get().users.get(id);
  return user === undefined || isPending(user) || isDeleted(user) ? undefined : user.account;
}

/** Names the project that has the hashtag. */
async function toTaken({ projects }: Phabricator, error: unknown): Promise<unknown> {
  if (!(error instanceof ConduitError)) return error;
  const [, hashtag] = /same hashtag \("#([^"]+)"\)/.exec(error.reason) ?? [];
  if (hashtag === undefined) return error;
  const holder = await projects.findByHashtag(hashtag);
  const who = holder === undefined ? "another project" : `the project ${holder.name} (${holder.phid})`;
  return new ScimError(409, `displayName: its hashtag #${hashtag} belongs to ${who}`, "uniqueness");
}
