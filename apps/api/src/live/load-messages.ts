import {
  type Database,
  listBranchesById,
  listDeliveriesById,
  listFindingsById,
  type LiveRow,
  type LiveRowType,
  listSyncsById,
} from "@branchward/store";
import { toBranchItem, toDeliveryItem, toSyncItem } from "../items.ts";
import { toMessage } from "./message.ts";

export interface LiveMessage {
  readonly position: LiveRow;
  readonly text: string;
}

/** The rows as messages, in their order, each with its item as it is now. */
export async function loadMessages(db: Database, rows: readonly LiveRow[]): Promise<readonly LiveMessage[]> {
  const idsOf = (type: LiveRowType) => rows.filter((row) => row.type === type).map((row) => row.id);
  const [deliveries, branches, syncs, findings] = await Promise.all([
    listDeliveriesById(db, idsOf("delivery")),
    listBranchesById(db, idsOf("branch")),
    listSyncsById(db, idsOf("sync")),
    listFindingsById(db, idsOf("finding")),
  ]);
  const items = new Map<string, unknown>([
    ...deliveries.map((row) => [row.id, toDeliveryItem(row)] as const),
    ...branches.map((row) => [row.id, toBranchItem(row)] as const),
    ...syncs.map((row) => [row.id, toSyncItem(row)] as const),
    ...findings.map((row) => [row.id, row] as const),
  ]);
  return rows.flatMap((row) => {
    const { type, id } = row;
    const event = { type, id, item: items.get(id) };
    return event.item === undefined ? [] : [{ position: row, text: toMessage(row, event) }];
  });
}
