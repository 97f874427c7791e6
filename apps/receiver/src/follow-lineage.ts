/** Heads that were found by a look before an event led there (rule A4). */
import type { NormalizedDelivery, RegistryDecision } from "@branchward/core";
import { type BranchName, breakLineage, mendLineage, type Queryable, type Repository } from "@branchward/store";

interface Told {
  readonly delivery: Pick<NormalizedDelivery, "changes">;
  readonly repository: Pick<Repository, "name">;
}

/**
 * Breaks the lineage of branches whose head was found changed, and mends that of those whose event was only late.
 * @returns the incarnations that are to be looked at again because theirs is mended
 */
export async function followLineage(
  trx: Queryable,
  { delivery, repository }: Told,
  { events }: RegistryDecision,
): Promise<readonly string[]> {
  // A ref that the delivery itself tells of was only overtaken by the next push.
  const isTold = ({ refType, name }: BranchName) =>
    delivery.changes.some((change) => change.refType === refType && change.name === name);
  const mended: string[] = [];
  for (const event of events) {
    const { kind, note, incarnation: incarnationId, name: branch, before, after } = event;
    if (incarnationId === null) continue;
    const found = { incarnationId, repository: repository.name, branch, before, after };
    if (note === "lineage-break" && !isTold(event)) await breakLineage(trx, found);
    const isLate = kind === "push" && note === "repeated";
    if (isLate && (await mendLineage(trx, found))) mended.push(incarnationId);
  }
  return mended;
}
