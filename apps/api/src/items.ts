/** Rows of the record as the api's lists and its live events show them. */
import type { BranchRow, DeliveryRow, GrantRow, HoldRow, SyncRow } from "@branchward/store";

export function toSyncItem(row: SyncRow) {
  const { id, reason, repository, branch, refType, incarnation, endpoint, verdict } = row;
  const { added, removed, attempt, requestedAt, startedAt, finishedAt, policyVersion } = row;
  const scope = { repository, branch, refType, incarnation, endpoint };
  return { id, reason, ...scope, verdict, added, removed, attempt, requestedAt, startedAt, finishedAt, policyVersion };
}

export function toBranchItem(row: BranchRow) {
  const { id, repository, name, refType, vcs, state, suspect, head, previousNames, bornAt, endedAt } = row;
  return {
    id,
    repository,
    name,
    refType,
    vcs,
    state,
    suspect,
    head,
    previousNames: [...previousNames],
    bornAt,
    endedAt,
  };
}

export function toDeliveryItem(row: DeliveryRow) {
  const { id, source, deliveryKey, event, outcome, note, repository, actor, user } = row;
  const { occurredAt, receivedAt } = row;
  return { id, source, deliveryId: deliveryKey, event, outcome, note, repository, actor, user, occurredAt, receivedAt };
}

export function toGrantItem({ seq: _seq, userName, ...grant }: GrantRow) {
  return { ...grant, user: userName };
}

export function toHoldItem({ seq: _seq, ...hold }: HoldRow) {
  return hold;
}
