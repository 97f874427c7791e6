import { randomUUID } from "node:crypto";
import { NotFoundError } from "@branchward/core";
import {
  deliveryDetails,
  deliveryItem,
  deliveryQuery,
  idParams,
  page,
  problem,
  replayAnswer,
  replayBody,
} from "@branchward/core/api";
import { answer, defineRoute, parseJson, type Route } from "@branchward/runtime";
import { type Database, findDelivery, listDeliveries, listReplays, type Replay } from "@branchward/store";
import { toDeliveryItem } from "../items.ts";
import { redact } from "../redact.ts";
import { toDate, toFilter, toPage } from "./page.ts";

/** Applies a stored delivery again, through the path by which it came. */
export type ReplayDelivery = (request: {
  readonly deliveryId: string;
  readonly replayId: string;
  /** The client that asks. */
  readonly by: string;
}) => Promise<{ readonly replay: Replay; readonly duplicate: boolean }>;

export interface DeliveryDeps {
  readonly db: Database;
  readonly replay: ReplayDelivery;
}

export function createDeliveryRoutes(deps: DeliveryDeps): readonly Route[] {
  return [listRoute(deps), showRoute(deps), replayRoute(deps)];
}

function listRoute({ db }: DeliveryDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/deliveries",
    summary: "What the sources sent, newest first",
    scope: "read",
    query: deliveryQuery,
    responses: { 200: { description: "a page", body: page(deliveryItem) } },
    async handle({ query }) {
      const { since, until, q, ...rest } = query;
      const filter = { ...rest, since: toDate(since), until: toDate(until), text: q };
      const rows = await listDeliveries(db, toFilter(filter));
      return answer(200, toPage(rows, rest.limit, toDeliveryItem));
    },
  });
}

function showRoute({ db }: DeliveryDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/deliveries/:id",
    summary: "A delivery as it came, secrets taken out, with the branch events made of it",
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
      return answer(200, {
        ...toDeliveryItem(delivery),
        headers: { ...headers },
        body: toText(body),
        bodyBytes: body.length,
        events: [...events],
        replays: (await listReplays(db, params.id)).map(toReplay),
      });
    },
  });
}

function replayRoute({ replay: replayDelivery }: DeliveryDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/deliveries/:id/replay",
    summary: "Apply a stored delivery again: what is older than what is known since changes nothing",
    scope: "admin",
    params: idParams,
    body: replayBody,
    responses: {
      200: { description: "applied and recorded, now or before", body: replayAnswer },
      404: { description: "no such delivery", body: problem },
      409: { description: "its source is configured no more, or the id names another replay", body: problem },
    },
    async handle({ params, body, principal }) {
      const { replay, duplicate } = await replayDelivery({
        deliveryId: params.id,
        replayId: body.id ?? randomUUID(),
        by: principal?.client ?? "",
      });
      return answer(200, { replay: toReplay(replay), duplicate });
    },
  });
}

function toReplay({ id, by, at, outcome, note, scopes }: Replay) {
  return { id, by, at, outcome, note, scopes };
}

/** A page is no place for more; the record has it whole. */
const MAX_SHOWN_BYTES = 1024 * 1024;

function toText(body: Buffer): string | null {
  return body.length > MAX_SHOWN_BYTES ? null : JSON.stringify(redact(parseJson(body)), null, 2);
}
