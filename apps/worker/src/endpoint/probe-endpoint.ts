/** `endpoint.probe`: tries out what an endpoint does, with a group of its own that is gone afterwards. */
import { setTimeout } from "node:timers/promises";
import { AppError, branchEntitlementSchema, type EndpointCard, NotFoundError } from "@branchward/core";
import { type ScimClient, ScimClientError, type ScimGroup, toEqualityFilter } from "@branchward/scim";
import {
  type Database,
  findProbeGroup,
  listLinkedAccountIds,
  saveEndpointCard,
  saveProbeGroup,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { type Endpoint, toUpstreamError } from "./endpoint.ts";

export interface ProbeDeps {
  readonly db: Database;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

interface Asked {
  readonly endpoint: string;
  /** Whether accounts that are known there are put into the group, and taken out again. */
  readonly withMembers: boolean;
}

/** How long a write may take to be read: 5 s in steps, as slow replicas were seen to. */
const LAG_STEPS_MS = [0, 50, 200, 750, 1_500, 2_500];
/** More members in one PATCH are not needed. */
const MAX_MEMBERS = 100;

/** Records a card, or why there is none. */
export function createProbeEndpoint({ db, endpoints }: ProbeDeps) {
  return async ({ endpoint: name, withMembers }: Asked): Promise<void> => {
    const endpoint = endpoints.get(name);
    if (endpoint === undefined) throw new NotFoundError(`there is no endpoint ${name}`);
    const client = endpoint.connect(() => undefined, { isProbe: true });
    try {
      await removeLeftover(db, endpoint.name, client);
      await saveEndpointCard(db, name, { card: await probe(client, { db, endpoint: name, withMembers }) });
    } catch (error) {
      const failure = toUpstreamError(error);
      await saveEndpointCard(db, name, { error: failure instanceof AppError ? failure.message : "the probe failed" });
      throw failure;
    }
  };
}

/** A name that native systems behind bridges take, too. */
const namePrefix = "bw-probe-";

function toName(externalId: string): string {
  return `${namePrefix}${externalId.slice(-12)}`;
}

function toOtherName(name: string): string {
  return `${name}-renamed`;
}

/** What a probe that was cut off left behind. */
async function removeLeftover(db: Database, endpoint: string, client: ScimClient): Promise<void> {
  const externalId = await findProbeGroup(db, endpoint);
  if (externalId === undefined) return;
  const found = [
    ...(await tryFind(client, toEqualityFilter("externalId", externalId))),
    ...(await tryFind(client, toEqualityFilter("displayName", toName(externalId)))),
    ...(await tryFind(client, toEqualityFilter("displayName", toOtherName(toName(externalId))))),
  ].filter((group) => group.externalId === externalId || group.displayName.startsWith(toName(externalId)));
  for (const id of new Set(found.map((group) => group.id))) await remove(client, id);
  await saveProbeGroup(db, endpoint, null);
}

async function probe(
  client: ScimClient,
  { db, endpoint, withMembers }: Asked & Pick<ProbeDeps, "db">,
): Promise<EndpointCard> {
  const id = uuidv7();
  const says = await sayOf(client);
  const schemas = await tryOr(null, async () => (await client.schemas()).map((schema) => schema.id));
  await saveProbeGroup(db, endpoint, `branchward:probe:${id}`);
  const { created, externalId, takesExtension, isOfPeople } = await createProbeGroup(client, id, schemas ?? []);
  try {
    const { group, lagMs } = await readLagging(client, created.id);
    const found = await probeFilters(client, { id: group.id, externalId });
    const renamed = await probeRename(client, group);
    const accounts = withMembers ? await listLinkedAccountIds(db, endpoint, MAX_MEMBERS) : [];
    const members = await probeMembers(client, group.id, accounts);
    const versions = await probeVersions(client, group.id);
    return {
      says,
      schemas,
      ...found,
      keepsExternalId: group.externalId === externalId,
      takesExtension,
      keepsExtension: isOfPeople || group.resource[branchEntitlementSchema] !== undefined,
      ...renamed,
      ...members,
      ...versions,
      lagMs,
      deletes: await remove(client, group.id),
    };
  } finally {
    await remove(client, created.id);
    await saveProbeGroup(db, endpoint, null);
  }
}

interface ProbeGroup {
  readonly created: ScimGroup;
  readonly externalId: string;
  readonly takesExtension: boolean;
  /** One without the extension, at an endpoint that announces it. */
  readonly isOfPeople: boolean;
}

/**
 * With the extension, else without: some refuse what they do not know. Who announces the extension and refuses this group
 * has no such repository, as a bridge: it is tried out with a group of people.
 */
async function createProbeGroup(client: ScimClient, id: string, schemas: readonly string[]): Promise<ProbeGroup> {
  const externalId = `branchward:probe:${id}`;
  const plain = { displayName: toName(externalId), externalId, members: [] };
  const extension = {
    repository: "branchward",
    branch: "probe",
    refType: "branch",
    entitlement: "probe",
    incarnation: externalId,
    vcs: "git",
  };
  const whole = await tryOr(undefined, () =>
    client.createGroup({
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group", branchEntitlementSchema],
      ...plain,
      [branchEntitlementSchema]: extension,
    }),
  );
  const isOfPeople = whole === undefined && schemas.includes(branchEntitlementSchema);
  if (isOfPeople) {
    const ofPeople = { ...plain, externalId: `probe:${id}` };
    const created = await client.createGroup(ofPeople);
    return { created, externalId: ofPeople.externalId, takesExtension: true, isOfPeople };
  }
  const created = whole ?? (await client.createGroup(plain));
  return { created, externalId, takesExtension: whole !== undefined, isOfPeople };
}

async function sayOf(client: ScimClient): Promise<EndpointCard["says"]> {
  return tryOr(null, async () => {
    const { patch, bulk, filter, etag } = await client.serviceProviderConfig();
    return { patch, bulk, filter, etag };
  });
}

async function readLagging(
  client: ScimClient,
  id: string,
): Promise<{ readonly group: ScimGroup; readonly lagMs: number }> {
  const begunAt = performance.now();
  for (const pauseMs of LAG_STEPS_MS) {
    await setTimeout(pauseMs);
    const group = await tryOr(undefined, () => client.getGroup(id));
    if (group !== undefined) return { group, lagMs: Math.round(performance.now() - begunAt) };
  }
  return { group: await client.getGroup(id), lagMs: Math.round(performance.now() - begunAt) };
}

type FilterFindings = Pick<EndpointCard, "findsGroupsByExternalId" | "findsGroupsByName" | "findsUsersByExternalId">;

async function probeFilters(
  client: ScimClient,
  { id, externalId }: { readonly id: string; readonly externalId: string },
): Promise<FilterFindings> {
  const isFound = async (filter: string): Promise<boolean> =>
    eventually(async () => (await tryFind(client, filter)).some((group) => group.id === id));
  return {
    findsGroupsByExternalId: await isFound(toEqualityFilter("externalId", externalId)),
    findsGroupsByName: await isFound(toEqualityFilter("displayName", toName(externalId))),
    // Nobody bears it: what counts is that the question is taken.
    findsUsersByExternalId: await tryOr(false, async () => {
      await client.findUsers(toEqualityFilter("externalId", externalId));
      return true;
    }),
  };
}

async function probeRename(client: ScimClient, group: ScimGroup): Promise<Pick<EndpointCard, "patches" | "renames">> {
  const displayName = toOtherName(group.displayName);
  const patches = await tryOr(false, async () => {
    await client.patchGroup(group.id, [{ op: "replace", path: "displayName", value: displayName }]);
    return true;
  });
  if (!patches) return { patches, renames: await probePut(client, group, displayName) };
  const renames = await eventually(async () => (await client.getGroup(group.id)).displayName === displayName);
  return { patches, renames };
}

async function probePut(client: ScimClient, group: ScimGroup, displayName: string): Promise<boolean> {
  const { meta: _, ...attributes } = group.resource;
  return tryOr(false, async () => {
    await client.replaceGroup(group.id, { ...attributes, displayName });
    return eventually(async () => (await client.getGroup(group.id)).displayName === displayName);
  });
}

type MemberFindings = Pick<EndpointCard, "addsMembers" | "removesMembers" | "membersPerPatch">;

/** With fewer at a time until the endpoint keeps them all. */
async function probeMembers(client: ScimClient, id: string, accounts: readonly string[]): Promise<MemberFindings> {
  if (accounts.length === 0) return { addsMembers: null, removesMembers: null, membersPerPatch: null };
  for (let size = accounts.length; size >= 1; size = Math.floor(size / 2)) {
    const some = accounts.slice(0, size);
    const isAdded = await changeMembers(client, id, { add: some, remove: [] });
    const isRemoved = await changeMembers(client, id, { add: [], remove: some });
    // Fewer accounts than the usual limit prove nothing about it.
    const membersPerPatch = size === accounts.length && size < MAX_MEMBERS ? null : size;
    if (isAdded || size === 1)
      return { addsMembers: isAdded, removesMembers: isAdded ? isRemoved : null, membersPerPatch };
  }
  return { addsMembers: false, removesMembers: null, membersPerPatch: null };
}

async function changeMembers(
  client: ScimClient,
  id: string,
  delta: { readonly add: readonly string[]; readonly remove: readonly string[] },
): Promise<boolean> {
  return tryOr(false, async () => {
    await client.patchMembers(id, delta, { maxValues: MAX_MEMBERS });
    return eventually(async () => {
      const members = new Set(((await client.getGroup(id)).members ?? []).map(({ value }) => value));
      return delta.add.every((one) => members.has(one)) && delta.remove.every((one) => !members.has(one));
    });
  });
}

async function probeVersions(
  client: ScimClient,
  id: string,
): Promise<Pick<EndpointCard, "hasVersions" | "honoursIfMatch">> {
  const { version, displayName } = await client.getGroup(id);
  const operations = [{ op: "replace", path: "displayName", value: displayName }] as const;
  try {
    await client.patchGroup(id, operations, { ifMatch: 'W/"branchward-stale"' });
    return { hasVersions: version !== undefined, honoursIfMatch: false };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { hasVersions: version !== undefined, honoursIfMatch: error.status === 412 };
  }
}

/** Whether it is gone: a read decides. */
async function remove(client: ScimClient, id: string): Promise<boolean> {
  await tryOr(undefined, () => client.deleteGroup(id));
  return eventually(async () => (await tryOr(undefined, () => client.getGroup(id))) === undefined);
}

async function tryFind(client: ScimClient, filter: string): Promise<readonly ScimGroup[]> {
  return tryOr([], () => client.findGroups(filter));
}

async function eventually(isSo: () => Promise<boolean>): Promise<boolean> {
  for (const pauseMs of LAG_STEPS_MS) {
    await setTimeout(pauseMs);
    if (await isSo()) return true;
  }
  return false;
}

/** A refusal tells something of the endpoint; that it is out of order tells nothing, and ends the probe. */
async function tryOr<Result, Other>(other: Other, attempt: () => Promise<Result>): Promise<Other | Result> {
  try {
    return await attempt();
  } catch (error) {
    if (isRefusal(error)) return other;
    throw error;
  }
}

function isRefusal(error: unknown): error is ScimClientError {
  if (!(error instanceof ScimClientError)) return false;
  if (error.kind === "malformed") return true;
  return error.kind === "http" && error.status !== 429 && ((error.status ?? 500) < 500 || error.status === 501);
}
