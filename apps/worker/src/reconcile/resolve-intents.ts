/** Groups whose POST had no answer: found again by `externalId`, or by their name and by what was sent (rule C6). */
import {
  type ActualGroup,
  foldDisplayName,
  type GroupBinding as KnownGroup,
  type IncarnationId,
  type Mismatch,
} from "@branchward/core";
import type { ScimClient } from "@branchward/scim";
import type { GroupIntent } from "@branchward/store";
import { findGroupsByExternalId, findGroupsByName, readGroup } from "../endpoint/endpoint.ts";

/** An intent of the scope's own incarnation, or of one that was merged into it (rule A5). */
export interface KnownIntent extends GroupIntent {
  readonly incarnation: IncarnationId;
}

/** An intent whose group may be one that holds others than were sent: it is not touched, and none is made beside it. */
export interface Collision {
  readonly intent: KnownIntent;
  readonly displayName: string;
  readonly mismatch: Mismatch;
}

export interface ResolvedIntents {
  readonly bindings: readonly KnownGroup[];
  readonly collisions: readonly Collision[];
}

/** Looks for each group that may have been made. What is not there was not made, so far as the read shows. */
export async function resolveIntents(
  client: ScimClient,
  { intents, knownGroups }: { readonly intents: readonly KnownIntent[]; readonly knownGroups: readonly KnownGroup[] },
): Promise<ResolvedIntents> {
  const taken = new Set(knownGroups.map(({ groupId }) => groupId));
  const bindings: KnownGroup[] = [];
  const collisions: Collision[] = [];
  for (const intent of intents) {
    const found = await findIntended(client, intent, taken);
    const ours = found.filter((group) => isOurs(intent, group));
    for (const { id: groupId } of ours) {
      taken.add(groupId);
      bindings.push({ incarnation: intent.incarnation, entitlement: intent.entitlement, groupId });
    }
    const [other] = found;
    if (ours.length === 0 && other !== undefined) collisions.push(toCollision(intent, other));
  }
  return { bindings, collisions };
}

/** By name only groups without any `externalId`: one with another is somebody's, and no answer of ours was lost on it. */
async function findIntended(
  client: ScimClient,
  { externalId, displayName, sentMembers }: KnownIntent,
  taken: ReadonlySet<string>,
): Promise<readonly ActualGroup[]> {
  const known = await findGroupsByExternalId(client, externalId);
  const free = known.filter((group) => group.externalId === externalId && !taken.has(group.id));
  if (free.length > 0 || sentMembers === null) return free;
  const named = (await findGroupsByName(client, displayName)).filter(
    (group) =>
      group.externalId === null &&
      !taken.has(group.id) &&
      foldDisplayName(group.displayName) === foldDisplayName(displayName),
  );
  // Some endpoints list groups without their members.
  const whole = await Promise.all(named.map(({ id }) => readGroup(client, id)));
  return whole.filter((group) => group !== undefined);
}

/** It was absent in the read before the POST: whoever is in it now and was not sent is somebody else's doing. */
function isOurs({ externalId, sentMembers }: KnownIntent, group: ActualGroup): boolean {
  return group.externalId === externalId || listStrangers(sentMembers, group).length === 0;
}

function listStrangers(sentMembers: readonly string[] | null, { members }: ActualGroup): readonly string[] {
  const sent = new Set(sentMembers);
  return members.filter((member) => !sent.has(member));
}

function toCollision(intent: KnownIntent, group: ActualGroup): Collision {
  const { entitlement, sentMembers } = intent;
  const has = new Set(group.members);
  const missing = (sentMembers ?? []).filter((member) => !has.has(member));
  const extra = listStrangers(sentMembers, group);
  return { intent, displayName: group.displayName, mismatch: { entitlement, class: "name-collision", missing, extra } };
}
