/** What is at the endpoint of a scope: groups that are ours, and whoever bears the names that ours want. */
import { type ActualGroup, externalIdOf, isOurExternalId, listDisplayNames } from "@branchward/core";
import type { ScimClient } from "@branchward/scim";
import type { Lease } from "@branchward/store";
import { findGroupsByExternalId, findGroupsByName, readGroup } from "../endpoint/endpoint.ts";
import type { LoadedScope } from "./load-scope.ts";
import type { SyncRun } from "./sync-run.ts";

export type KnownGroup = LoadedScope["knownGroups"][number];

export interface BoundGroup {
  readonly known: KnownGroup;
  /** Undefined where it is not there. */
  readonly group: ActualGroup | undefined;
}

/**
 * The groups that are known to be ours, but those whose id has become another's: an endpoint that was restored from a backup
 * may give an id again, and what bears the mark of another branch or entitlement is not this one's to change (rule C6).
 */
export async function readBound(client: ScimClient, bindings: readonly KnownGroup[]): Promise<readonly BoundGroup[]> {
  const read = await Promise.all(
    bindings.map(async (known) => ({ known, group: await readGroup(client, known.groupId) })),
  );
  return read.filter(({ known, group }) => {
    const mark = group?.externalId ?? "";
    return !isOurExternalId(mark) || mark === externalIdOf(known.incarnation, known.entitlement);
  });
}

/** Every group that is known to be ours, bears our `externalId`, or bears a name that we want. */
export async function readActual(
  client: ScimClient,
  { scope, endpoint, lease }: SyncRun,
  bound: readonly BoundGroup[],
): Promise<readonly ActualGroup[]> {
  const { desired, branch } = scope;
  const held = new Map(bound.flatMap(({ group }) => (group === undefined ? [] : [[group.id, group]])));
  const isWhole = isWholeAsked(lease);
  const others = await Promise.all([
    ...listSought(scope, { held, isWhole }).map((externalId) => findGroupsByExternalId(client, externalId)),
    ...desired.entitlements.map(({ entitlement }) => {
      const names = listDisplayNames(endpoint.displayName, { ...branch, entitlement });
      const own = findOwn(scope, held, entitlement);
      if (own === undefined) return findNamed(client, names);
      return own.displayName === names[0] ? [] : findNamed(client, names.slice(0, 1));
    }),
  ]);
  return [...new Map([...held.values(), ...others.flat()].map((group) => [group.id, group])).values()];
}

function findOwn(
  { knownGroups, branch }: LoadedScope,
  held: ReadonlyMap<string, ActualGroup>,
  entitlement: string,
): ActualGroup | undefined {
  return knownGroups
    .filter((known) => known.entitlement === entitlement && known.incarnation === branch.incarnation)
    .map(({ groupId }) => held.get(groupId))
    .find((group) => group !== undefined);
}

/**
 * A group that is bound may have a second beside it, made when a read showed the first too late: it is looked for where
 * something did not read as it must, and where somebody asks for the whole.
 */
function isWholeAsked({ failures, reason }: Lease): boolean {
  return failures > 0 || reason === "audit" || reason === "recheck";
}

interface Sought {
  /** Bound groups that were read, by id. */
  readonly held: ReadonlyMap<string, ActualGroup>;
  readonly isWhole: boolean;
}

/** Every `externalId` of ours that a group may bear which no bound id leads to: wanted, or once meant to be made (rule C6). */
function listSought({ desired, branch, knownGroups }: LoadedScope, { held, isWhole }: Sought): readonly string[] {
  const { incarnation } = branch;
  const wanted = desired.entitlements.map(({ entitlement }) => externalIdOf(incarnation, entitlement));
  const known = new Map(knownGroups.map((each) => [externalIdOf(each.incarnation, each.entitlement), each]));
  return [...new Set([...wanted, ...known.keys()])].filter(
    (externalId) => isWhole || !held.has(known.get(externalId)?.groupId ?? ""),
  );
}

/** Providers bound their filters, ours at 2 KiB; a longer name is nobody else's by chance. */
const MAX_FILTERED_NAME = 1_000;

/** Who bears the first name, and each next one while the one before is borne: the name chosen is seen to be free. */
async function findNamed(client: ScimClient, names: readonly string[]): Promise<readonly ActualGroup[]> {
  const found: ActualGroup[] = [];
  for (const name of names) {
    const bearers = name.length > MAX_FILTERED_NAME ? [] : await findGroupsByName(client, name);
    found.push(...bearers);
    if (bearers.length === 0) break;
  }
  return found;
}
