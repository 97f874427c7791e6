import { ConflictError, type EndpointConfiguration, NotFoundError, UnavailableError } from "@branchward/core";
import { problem, retirementBody } from "@branchward/core/api";
import type { Queues } from "@branchward/queue";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, retireEndpoint, undoRetirement } from "@branchward/store";
import { z } from "zod";
import type { FollowUp } from "../follow-up.ts";

export interface RetirementDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  readonly endpoints: readonly EndpointConfiguration[];
}

/** `POST /v1/endpoints/{name}/retirement`: gives an endpoint up, or takes that back (rule B8). */
export function createRetirementRoute({ db, followUp, endpoints }: RetirementDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/endpoints/:name/retirement",
    summary: "Give an endpoint up: its groups are removed there, or left and forgotten",
    scope: "admin",
    params: z.object({ name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/u) }),
    body: retirementBody,
    responses: {
      202: { description: "begun; GET /v1/endpoints shows how far it is", body: z.object({ scopes: z.int() }) },
      404: { description: "there is no such endpoint", body: problem },
      409: { description: "undo: it is not retired", body: problem },
    },
    async handle({ params: { name }, body: { action }, principal }) {
      if (endpoints.every((endpoint) => endpoint.name !== name))
        throw new NotFoundError(`there is no endpoint ${name}`, { code: "unknown_endpoint" });
      const by = principal?.client ?? "";
      const scopes = await db
        .transaction()
        .execute((trx) =>
          action === "undo" ? undoRetirement(trx, name) : retireEndpoint(trx, { endpoint: name, mode: action, by }),
        );
      if (scopes === undefined) throw new ConflictError(`endpoint ${name} is not retired`, { code: "not_retired" });
      followUp.reconcile(scopes);
      return answer(202, { scopes: scopes.length });
    },
  });
}

export interface ProbeDeps {
  readonly queues: Queues;
  readonly endpoints: readonly EndpointConfiguration[];
}

/** `POST /v1/endpoints/{name}/probe`: has the worker try out what the endpoint does. */
export function createProbeRoute({ queues, endpoints }: ProbeDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/endpoints/:name/probe",
    summary: "Try out what an endpoint does, with a group that is gone afterwards",
    scope: "admin",
    params: z.object({ name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/u) }),
    responses: {
      202: { description: "begun; GET /v1/endpoints shows the card", body: z.object({ endpoint: z.string() }) },
      404: { description: "there is no such endpoint", body: problem },
      503: { description: "the queue is away; nothing was begun", body: problem },
    },
    async handle({ params: { name } }) {
      if (endpoints.every((endpoint) => endpoint.name !== name))
        throw new NotFoundError(`there is no endpoint ${name}`, { code: "unknown_endpoint" });
      await queues.enqueueProbe(name, { withMembers: true }).catch((cause: unknown) => {
        // Of this the record knows nothing: who asked is to ask again.
        throw new UnavailableError("the queue is away for the moment; ask again", {
          code: "queue_unavailable",
          expose: true,
          cause,
        });
      });
      return answer(202, { endpoint: name });
    },
  });
}
