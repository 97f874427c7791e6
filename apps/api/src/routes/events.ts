import { eventsQuery, liveEvent } from "@branchward/core/api";
import { answer, type Authenticator, defineRoute, identify, requireScope, type Route } from "@branchward/runtime";
import type { LiveFeed } from "../live/live-feed.ts";

export interface EventDeps {
  readonly feed: LiveFeed;
  readonly authenticator: Authenticator;
}

/** `GET /v1/events`: what happens, as it happens. */
export function createEventRoute({ feed, authenticator }: EventDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/events",
    summary: "Live events; resumed by Last-Event-ID without loss",
    scope: "read",
    query: eventsQuery,
    responses: {
      200: { description: "a stream that does not end by itself", body: liveEvent, contentType: "text/event-stream" },
    },
    async handle({ query, headers, method }) {
      const given = headers["last-event-id"];
      const after = typeof given === "string" && given !== "" ? given : query.after;
      const mayRead = async () => requireScope(await identify(authenticator, { method, headers }), "read");
      const stream = await feed.open(after, mayRead);
      return answer(200, stream, { "Cache-Control": "no-store", "X-Accel-Buffering": "no" });
    },
  });
}
