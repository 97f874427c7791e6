import { InvalidInputError, NotFoundError } from "@branchward/core";
import { problem, timestamp } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { ScimError } from "@branchward/scim";
import {
  adoptResources,
  type Database,
  type DirectoryClient,
  listDirectoryClients,
  raiseTokenFindings,
} from "@branchward/store";
import { z } from "zod";
import type { ClientTraffic } from "../scim/client-traffic.ts";

const clientItem = z.object({
  client: z.string(),
  /** How it speaks SCIM, as its traffic shows; null where nothing told. */
  dialect: z.enum(["okta", "entra"]).nullable(),
  userAgent: z.string().nullable(),
  requests: z.int(),
  /** Requests by what had to be put right in them. */
  coercions: z.record(z.string(), z.int()),
  firstSeenAt: timestamp,
  lastSeenAt: timestamp,
  /** What it provisioned or adopted. */
  users: z.int(),
  groups: z.int(),
  liveTokens: z.int(),
  tokensEndAt: timestamp.nullable(),
});

const clientParams = z.object({ client: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/u) });
const adoptBody = z.strictObject({ resources: z.array(z.uuid()).min(1).max(1_000) });

/** The SCIM clients of the directory. */
export function createClientRoutes(db: Database, traffic: ClientTraffic): readonly Route[] {
  return [listRoute(db, traffic), adoptRoute(db)];
}

function listRoute(db: Database, traffic: ClientTraffic): Route {
  return defineRoute({
    method: "get",
    path: "/v1/clients",
    summary: "Who provisions, in which dialect, and what had to be put right in it",
    scope: "read",
    responses: { 200: { description: "all clients", body: z.object({ items: z.array(clientItem) }) } },
    async handle() {
      await traffic.flush();
      await raiseTokenFindings(db);
      return answer(200, { items: (await listDirectoryClients(db)).map(toItem) });
    },
  });
}

function adoptRoute(db: Database): Route {
  return defineRoute({
    method: "post",
    path: "/v1/clients/:client/adopt",
    summary: "Give users and groups that another client provisioned to this one, which alone writes them from then on",
    scope: "admin",
    params: clientParams,
    body: adoptBody,
    responses: {
      200: { description: "given", body: z.object({ adopted: z.int() }) },
      400: { description: "the client has another resource of the same externalId", body: problem },
      404: { description: "no such resources", body: problem },
    },
    async handle({ params: { client }, body: { resources } }) {
      const adopted = await adoptResources(db, client, resources).catch((error: unknown) => {
        if (!(error instanceof ScimError)) throw error;
        throw new InvalidInputError(`${client} cannot adopt them: ${error.message}`, { code: "adoption_conflict" });
      });
      if (adopted === 0) throw new NotFoundError("no user and no provisioned group has these ids");
      return answer(200, { adopted });
    },
  });
}

function toItem(client: DirectoryClient) {
  return { ...client, coercions: { ...client.coercions } };
}
