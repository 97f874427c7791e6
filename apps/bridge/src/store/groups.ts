/** What a group becomes when it is created or changed. */
import { foldCase, type JsonObject, type MemberDelta, ScimError } from "@branchward/scim";
import { findEntitlement, requireMarks } from "../state/entitlement.ts";
import type { HeldGroup, Snapshot } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import type { BridgeContext } from "./context.ts";

/** The members after a change; the same set where nothing changes. */
export function applyDelta(members: ReadonlySet<string>, delta: MemberDelta | undefined): ReadonlySet<string> {
  if (delta === undefined) return members;
  const next = new Set(delta.clear ? [] : members);
  for (const id of delta.remove) next.delete(id);
  for (const { value } of delta.add) next.add(value);
  const isSame = next.size === members.size && [...next].every((id) => members.has(id));
  return isSame ? members : next;
}

/** @throws ScimError 412 when a newer lease has written (rule C4) */
export function requireFence({ fence }: BridgeContext, group: HeldGroup): void {
  if (fence === undefined || fence >= group.fence) return;
  throw new ScimError(412, `fence ${fence} is stale, ${group.fence} has written`, "staleFence");
}

/** @throws ScimError 400 for marks or members that cannot be, 409 for a name or externalId that another group has */
export function requireGroup(snapshot: Snapshot, group: HeldGroup, before: HeldGroup | undefined): void {
  requireMarks(group.attributes);
  const isEntitlement = findEntitlement(group.attributes) !== undefined;
  if (before !== undefined && isEntitlement !== (findEntitlement(before.attributes) !== undefined)) {
    throw new ScimError(400, "a group does not turn into an entitlement group, nor back", "mutability");
  }
  for (const id of group.members) {
    if (before?.members.has(id) === true) continue;
    if (snapshot.users.has(id)) continue;
    const isNested = snapshot.groups.get(id);
    if (isNested === undefined) throw invalid(`there is no user or group with id ${id}`);
    if (isEntitlement || findEntitlement(isNested.attributes) !== undefined)
      throw invalid(`entitlement groups neither hold groups nor are members: ${id}`);
  }
  requireFreeNames(snapshot, group);
}

function requireFreeNames({ groups }: Snapshot, { id, attributes }: HeldGroup): void {
  const { externalId } = attributes;
  const key = nameKey(attributes);
  for (const other of groups.values()) {
    if (other.id === id) continue;
    if (nameKey(other.attributes) === key) throw taken(`displayName ${textOf(attributes, "displayName")}`);
    if (externalId !== undefined && other.attributes["externalId"] === externalId)
      throw taken(`externalId ${textOf(attributes, "externalId")}`);
  }
}

function nameKey(attributes: JsonObject): string {
  return foldCase(textOf(attributes, "displayName").trim());
}

function taken(what: string): ScimError {
  return new ScimError(409, `${what} is another group's`, "uniqueness");
}

function invalid(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}

/** The groups that hold an id, as they are without it. */
export function withoutMember(
  groups: ReadonlyMap<string, HeldGroup>,
  id: string,
  lastModified: string,
): ReadonlyMap<string, HeldGroup> {
  const left = new Map<string, HeldGroup>();
  for (const group of groups.values()) {
    if (!group.members.has(id)) continue;
    const members = new Set(group.members);
    members.delete(id);
    left.set(group.id, { ...group, members, version: group.version + 1, lastModified });
  }
  return left;
}
