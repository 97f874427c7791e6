/** Sees what Branchward did: waits for the verdict, reads the groups back over SCIM, and holds both to what must be true. */
import { setTimeout as pause } from "node:timers/promises";
import {
  branchDetails,
  branchItem,
  type BranchItem,
  deliveryItem,
  type DeliveryItem,
  page,
  type SyncDetails,
  syncDetails,
  syncItem,
  syncStatus,
} from "@branchward/core/api";
import { branchEntitlementSchema } from "@branchward/core";
import { type ScimClient, toEqualityFilter } from "@branchward/scim";
import type { ApiClient } from "../api-client.ts";
import { CommandError, EXIT } from "../context.ts";
import type { Narrator } from "./narrator.ts";

export interface Expectation {
  readonly repository: string;
  readonly branch: string;
  readonly refType: "branch" | "bookmark";
  readonly state: BranchItem["state"];
  /** The name it had just before, where this step renamed it. */
  readonly renamedFrom?: string;
  /** Entitlement → user names that must hold it, sorted; read back over SCIM. */
  readonly holders: Readonly<Record<string, readonly string[]>>;
}

export interface Witness {
  /** Runs a step, waits until its event is verified, tells what changed, and checks it. @throws {CommandError} when it is untrue. */
  observe(step: () => Promise<unknown>, expected: Expectation): Promise<void>;
}

const EVENT_TIMEOUT_MS = 20_000;
const LOOK_EVERY_MS = 20;

export function createWitness(api: ApiClient, directory: ScimClient, narrator: Narrator): Witness {
  const seen = new Set<string>();
  return {
    async observe(step, expected) {
      await listNewSyncs(api, expected, seen);
      const before = await newestDelivery(api, expected.repository);
      await step();
      const delivery = await waitForDelivery(api, expected.repository, before?.id);
      const branch = await waitForBranch(api, expected);
      await waitUntilLookedAt(api, branch);
      await waitInSync(api, expected);
      const syncs = await listNewSyncs(api, expected, seen);
      for (const sync of syncs) narrate(narrator, sync);
      await checkHolders(directory, narrator, branch, expected);
      narrator.proven(describeProof(expected, delivery, syncs));
    },
  };
}

function untrue(message: string): CommandError {
  return new CommandError(EXIT.failed, `untrue: ${message}`);
}

async function newestDelivery(api: ApiClient, repository: string): Promise<DeliveryItem | undefined> {
  const { items } = await api.get("/v1/deliveries?limit=50", page(deliveryItem));
  return items.find((item) => item.repository === repository);
}

async function waitForDelivery(api: ApiClient, repository: string, before: string | undefined): Promise<DeliveryItem> {
  return poll(`no delivery for ${repository} arrived`, async () => {
    const newest = await newestDelivery(api, repository);
    return newest === undefined || newest.id === before ? undefined : newest;
  });
}

async function waitForBranch(api: ApiClient, expected: Expectation): Promise<BranchItem> {
  const { repository, branch, refType, state, renamedFrom } = expected;
  const query = new URLSearchParams({ repository, branch, refType });
  return poll(`${repository}:${branch} did not become ${state}`, async () => {
    const { items } = await api.get(`/v1/branches?${query.toString()}`, page(branchItem));
    const found = items.find((item) => item.state === state);
    const isRenamed = renamedFrom === undefined || found?.previousNames[0] === renamedFrom;
    return isRenamed ? found : undefined;
  });
}

async function poll<T>(failure: string, look: () => Promise<T | undefined>): Promise<T> {
  const until = performance.now() + EVENT_TIMEOUT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw untrue(failure);
    await pause(LOOK_EVERY_MS);
  }
}

/** A checkout or a directory change asks for a look without a new revision, which `sync-status` is not about. */
async function waitUntilLookedAt(api: ApiClient, { id, repository, name }: BranchItem): Promise<void> {
  await poll(`${repository}:${name} was not looked at`, async () => {
    const { scopes } = await api.get(`/v1/branches/${id}`, branchDetails);
    return scopes.every((scope) => scope.verdict !== "pending") ? scopes : undefined;
  });
}

async function waitInSync(api: ApiClient, { repository, branch, refType }: Expectation): Promise<void> {
  const query = new URLSearchParams({ repository, branch, refType, wait: "30s" });
  const { body } = await api.request("GET", `/v1/sync-status?${query.toString()}`);
  const status = syncStatus.parse(body);
  if (status.state !== "in_sync") throw untrue(`${repository}:${branch} is ${status.state}`);
}

/** Oldest first; a later call tells only what came since. */
async function listNewSyncs(
  api: ApiClient,
  { repository, branch, renamedFrom }: Expectation,
  seen: Set<string>,
): Promise<readonly SyncDetails[]> {
  const details: SyncDetails[] = [];
  for (const name of renamedFrom === undefined ? [branch] : [branch, renamedFrom]) {
    const query = new URLSearchParams({ repository, branch: name, limit: "20" });
    const { items } = await api.get(`/v1/syncs?${query.toString()}`, page(syncItem));
    for (const { id } of items.filter((item) => !seen.has(item.id))) {
      seen.add(id);
      details.push(await api.get(`/v1/syncs/${id}`, syncDetails));
    }
  }
  return details.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function narrate(narrator: Narrator, sync: SyncDetails): void {
  for (const change of sync.changes) {
    for (const member of change.removed)
      narrator.lost(`${member.userName ?? member.user} lost ${change.entitlement}: ${member.why}`);
    for (const member of change.added)
      narrator.gained(`${member.userName ?? member.user} gained ${change.entitlement}: ${member.why}`);
  }
}

async function checkHolders(
  directory: ScimClient,
  narrator: Narrator,
  branch: BranchItem,
  expected: Expectation,
): Promise<void> {
  const groups = await directory.findGroups(toEqualityFilter(`${branchEntitlementSchema}:incarnation`, branch.id));
  const userNames = new Map((await directory.findUsers(undefined)).map((user) => [user.id, user.userName]));
  const held: Record<string, readonly string[]> = {};
  for (const group of groups.toSorted((a, b) => (a.displayName < b.displayName ? -1 : 1))) {
    const members = (group.members ?? []).map((member) => userNames.get(member.value) ?? member.value).toSorted();
    const entitlement = group.externalId?.split(":").at(-1) ?? group.displayName;
    held[entitlement] = members;
    narrator.fact(`${group.displayName}: ${members.length === 0 ? "nobody" : members.join(", ")}`);
  }
  for (const [entitlement, wanted] of Object.entries(expected.holders)) {
    const found = (held[entitlement] ?? []).join(", ");
    if (found !== wanted.join(", "))
      throw untrue(
        `${entitlement} on ${branch.name}: expected ${wanted.join(", ") || "nobody"}, read ${found || "nobody"}`,
      );
  }
}

function describeProof(
  { repository, branch }: Expectation,
  delivery: DeliveryItem,
  syncs: readonly SyncDetails[],
): string {
  const first = syncs[0];
  if (first === undefined) return `${repository}:${branch} verified`;
  const from = new Date(delivery.occurredAt ?? delivery.receivedAt).getTime();
  const tookMs = new Date(first.finishedAt).getTime() - from;
  return `${repository}:${branch} ${first.verdict} at ${first.endpoint}, ${tookMs} ms after the hook`;
}
