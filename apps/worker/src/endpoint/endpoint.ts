/** One SCIM endpoint as the worker sees it: read groups, apply one operation of a plan. Nothing else writes outside. */
import {
  AppError,
  type ActualGroup,
  type BranchEntitlement,
  branchEntitlementSchema,
  foldDisplayName,
  type Operation,
  UpstreamError,
} from "@branchward/core";
import {
  type ScimClient,
  ScimClientError,
  type ScimGroup,
  type ScimMemberDelta,
  toEqualityFilter,
  type WriteAnswer,
  type WriteOptions,
} from "@branchward/scim";
import type { Lease } from "@branchward/store";
import { MAX_RETRY_AFTER_MS } from "./gate.ts";
import type { CallLane } from "./limiter.ts";
import type { Versions } from "./versions.ts";

export interface EndpointCall {
  readonly method: string;
  readonly path: string;
  readonly status: number | null;
  readonly durationMs: number;
}

export interface Endpoint {
  readonly name: string;
  /** True for the built-in directory: a user's id there is the user's own (rule C5). */
  readonly builtin: boolean;
  readonly concurrency: number;
  /** Whether a difference that Branchward did not cause is repaired, or reported alone. */
  readonly drift: "repair" | "report";
  /** How accounts are kept there (rule C5); null where they are only looked up. */
  readonly accounts: { readonly adopt: "review" | "auto" } | null;
  /** Template of entitlement group names. */
  readonly displayName: string;
  /** Opens a client behind the endpoint's gate, whose calls are reported to `onCall`. */
  readonly connect: (onCall: (call: EndpointCall) => void, options?: ConnectOptions) => ScimClient;
  /** What a call would be refused with now, unsent; undefined where it would be made. */
  readonly findRefusal: () => Promise<AppError | undefined>;
}

export interface ConnectOptions {
  /** Whose slots the calls take; `reconcile` unless said. */
  readonly lane?: CallLane;
  /** Runs right before each write is sent, after the wait for its turn; what it throws keeps the write back. */
  readonly beforeWrite?: () => Promise<void>;
  /** True for a client that tries the endpoint out, whatever its card says. */
  readonly isProbe?: boolean;
}

/** Reads the group bound by id; undefined when it is not there. */
export async function readGroup(client: ScimClient, id: string): Promise<ActualGroup | undefined> {
  try {
    return toActualGroup(await client.getGroup(id));
  } catch (error) {
    if (error instanceof ScimClientError && error.status === 404) return undefined;
    throw toUpstreamError(error);
  }
}

/** Reads the groups that bear an `externalId` of ours (rule C6). */
export async function findGroupsByExternalId(client: ScimClient, externalId: string): Promise<readonly ActualGroup[]> {
  return findGroups(client, toEqualityFilter("externalId", externalId), (group) => group.externalId === externalId);
}

/** Reads the groups that bear a name we want: a collision, or ours at an endpoint that drops `externalId`. */
export async function findGroupsByName(client: ScimClient, displayName: string): Promise<readonly ActualGroup[]> {
  const name = foldDisplayName(displayName);
  return findGroups(
    client,
    toEqualityFilter("displayName", displayName),
    (group) => foldDisplayName(group.displayName) === name,
  );
}

async function findGroups(
  client: ScimClient,
  filter: string,
  keep: (group: ScimGroup) => boolean,
): Promise<readonly ActualGroup[]> {
  try {
    const groups = await client.findGroups(filter, { keep });
    return groups.map(toActualGroup);
  } catch (error) {
    throw toUpstreamError(error);
  }
}

/** What a write is bound to (rule C4). */
export interface WriteBond {
  /** Of the scope whose group it is: the directory and bridges hold writers to it. */
  readonly lease: Pick<Lease, "token" | "scopeId">;
  /** Of the groups, for `If-Match`. */
  readonly versions: Pick<Versions, "find" | "note">;
}

/**
 * Makes one write. @returns the id of the group that it was about
 * @throws {UpstreamError} with `details.outcomeUnknown` when the write may or may not have happened.
 */
export async function applyOperation(client: ScimClient, operation: Operation, bond: WriteBond): Promise<string> {
  const headers = { "branchward-fence": String(bond.lease.token), "branchward-scope": bond.lease.scopeId };
  try {
    if (operation.kind === "createGroup") {
      const created = await client.createGroup(toNewGroup(operation), { headers });
      bond.versions.note(created.id, created);
      return created.id;
    }
    const { groupId } = operation;
    const ifMatch = await bond.versions.find(groupId);
    bond.versions.note(groupId, await changeGroup(client, operation, { headers, ifMatch }));
    return groupId;
  } catch (error) {
    throw toUpstreamError(error, isNaming(operation) ? PASSING_NAMED : PASSING);
  }
}

async function changeGroup(
  client: ScimClient,
  operation: Exclude<Operation, { kind: "createGroup" }>,
  options: WriteOptions,
): Promise<WriteAnswer> {
  const { groupId } = operation;
  switch (operation.kind) {
    case "renameGroup":
      return client.patchGroup(groupId, toRename(operation), options);
    case "addMembers":
    case "removeMembers":
      return client.patchMembers(groupId, toDelta(operation), options);
    case "deleteGroup":
      await deleteGroup(client, groupId, options);
      return { version: undefined, lastModified: undefined };
  }
}

async function deleteGroup(client: ScimClient, id: string, options: WriteOptions): Promise<void> {
  try {
    await client.deleteGroup(id, options);
  } catch (error) {
    if (error instanceof ScimClientError && error.status === 404) return;
    throw error;
  }
}

function toNewGroup(operation: Extract<Operation, { kind: "createGroup" }>) {
  return {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group", branchEntitlementSchema],
    displayName: operation.displayName,
    externalId: operation.externalId,
    members: operation.additions.map((addition) => ({ value: addition.member })),
    [branchEntitlementSchema]: { ...operation.extension },
  };
}

function toDelta(operation: Extract<Operation, { kind: "addMembers" | "removeMembers" }>): ScimMemberDelta {
  if (operation.kind === "addMembers") return { add: operation.additions.map(({ member }) => member), remove: [] };
  return { add: [], remove: operation.removals.map(({ member }) => member) };
}

function toRename({ displayName, extension }: Extract<Operation, { kind: "renameGroup" }>) {
  return [
    { op: "replace" as const, path: "displayName", value: displayName },
    ...(extension === null ? [] : toExtensionPatch(extension)),
  ];
}

function toExtensionPatch(extension: BranchEntitlement) {
  return [
    { op: "replace" as const, path: `${branchEntitlementSchema}:branch`, value: extension.branch },
    { op: "replace" as const, path: `${branchEntitlementSchema}:repository`, value: extension.repository },
  ];
}

function toActualGroup(group: ScimGroup): ActualGroup {
  return {
    id: group.id,
    displayName: group.displayName,
    externalId: group.externalId ?? null,
    members: (group.members ?? []).map((member) => member.value),
    extension: parseExtension(group.resource[branchEntitlementSchema]),
    version: group.version,
    lastModified: group.lastModified,
  };
}

function parseExtension(value: unknown): BranchEntitlement | null {
  if (typeof value !== "object" || value === null || !("incarnation" in value)) return null;
  return value as BranchEntitlement;
}

/** Refusals that another read and another plan get past. */
const PASSING: ReadonlySet<number> = new Set([412, 429]);
/** Also where another took the name after it was read to be free (RFC 7644 §3.12): the next plan chooses another (rule A8). */
const PASSING_NAMED: ReadonlySet<number> = new Set([...PASSING, 409]);

function isNaming({ kind }: Operation): boolean {
  return kind === "createGroup" || kind === "renameGroup";
}

/** What a failed call means to a run. `passing` are the statuses below 500 after which it is tried again. */
export function toUpstreamError(error: unknown, passing = PASSING): AppError {
  if (error instanceof AppError) return error;
  if (!(error instanceof ScimClientError)) throw error;
  const details = { status: error.status, scimType: error.scimType, outcomeUnknown: error.outcomeUnknown };
  const { status = 500 } = error;
  const retriable = error.kind !== "http" || status >= 500 || passing.has(status);
  const retry =
    error.retryAfterMs === undefined ? "backoff" : { afterMs: Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) };
  return new UpstreamError(error.message, {
    code: `endpoint_${error.kind.replaceAll("-", "_")}`,
    retry: retriable ? retry : "never",
    expose: true,
    details,
    cause: error,
  });
}
