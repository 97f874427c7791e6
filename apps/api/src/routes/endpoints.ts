import type { EndpointConfiguration } from "@branchward/core";
import { endpointList } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, listEndpointStates } from "@branchward/store";

export interface EndpointDeps {
  readonly db: Database;
  readonly endpoints: readonly EndpointConfiguration[];
}

/** `GET /v1/endpoints`: every configured endpoint and how it stands. */
export function createEndpointRoute({ db, endpoints }: EndpointDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/endpoints",
    summary: "The configured endpoints and how they stand",
    scope: "read",
    responses: { 200: { description: "all of them, in the order of the configuration", body: endpointList } },
    async handle() {
      const states = await listEndpointStates(
        db,
        endpoints.map(({ name }) => name),
      );
      const items = endpoints.flatMap(({ name, type, url, ci, concurrency }) => {
        const state = states.find(({ endpoint }) => endpoint === name);
        if (state === undefined) return [];
        const { endpoint: _, ...stands } = state;
        return [{ name, type, url, ci, concurrency, ...stands }];
      });
      return answer(200, { items });
    },
  });
}
