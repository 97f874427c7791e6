import { NotFoundError } from "@branchward/core";
import { deliveryDetails, deliveryItem, idParams, page, pageQuery, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, type DeliveryRow, findDelivery, listDeliveries } from "@branchward/store";
import { toPage } from "./page.ts";

export function createDeliveryRoutes(db: Database): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/deliveries",
      summary: "What the sources sent, newest first",
      scope: "read",
      query: pageQuery,
      responses: { 200: { description: "a page", body: page(deliveryItem) } },
      async handle({ query: { limit, cursor } }) {
        const rows = await listDeliveries(db, { limit, ...(cursor === undefined ? {} : { before: Number(cursor) }) });
        return answer(200, toPage(rows, limit, toItem));
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/deliveries/:id",
      summary: "A delivery as it came, and the branch events made of it",
      scope: "read",
      params: idParams,
      responses: {
        200: { description: "the delivery", body: deliveryDetails },
        404: { description: "no such delivery", body: problem },
      },
      async handle({ params }) {
        const delivery = await findDelivery(db, params.id);
        if (delivery === undefined) throw new NotFoundError(`no delivery has the id ${params.id}`);
        const { headers, body, events } = delivery;
        const copied = events.map((event) => ({ ...event }));
        return answer(200, { ...toItem(delivery), headers: { ...headers }, body: toText(body), events: copied });
      },
    }),
  ];
}

function toItem(row: DeliveryRow) {
  const { id, source, deliveryKey, event, outcome, note, repository, actor, occurredAt, receivedAt } = row;
  return { id, source, deliveryId: deliveryKey, event, outcome, note, repository, actor, occurredAt, receivedAt };
}

function toText(body: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return null;
  }
}
