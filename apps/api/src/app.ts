/** The api: SCIM for identity providers, `/v1` for CI, command line and dashboard. */
import type { Configuration } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import { type Authenticator, createKoaApp, type Logger, mountRoutes, type Route } from "@branchward/runtime";
import { createGroupType, createScimProvider, createUserType } from "@branchward/scim";
import {
  type ActivePolicy,
  branchEntitlementSchema,
  createDirectory,
  type Database,
  keepLastMembers,
  type Notifications,
} from "@branchward/store";
import Router from "@koa/router";
import type Koa from "koa";
import { createAccessRoute } from "./routes/access.ts";
import { createBindingRoutes } from "./routes/bindings.ts";
import { createBranchRoutes } from "./routes/branches.ts";
import { createDeliveryRoutes } from "./routes/deliveries.ts";
import { createHealthRoutes } from "./routes/health.ts";
import { createRecordRoutes } from "./routes/records.ts";
import { createSyncStatusRoute } from "./routes/sync-status.ts";
import { createSyncRoutes } from "./routes/syncs.ts";
import { createTokenRoutes } from "./routes/tokens.ts";
import { createScimMiddleware, SCIM_BASE_PATH } from "./scim/serve-scim.ts";

export interface ApiDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly notifications: Notifications;
  readonly authenticator: Authenticator;
  readonly activePolicy: ActivePolicy;
  readonly configuration: Configuration;
  /** Where the api is reached, asked at each request since a port may not be known yet. */
  readonly baseUrl: () => string;
  readonly log: Logger;
  /** Aborts when waits are to end. */
  readonly closing: AbortSignal;
}

/** A process that is no api answers its health alone. */
export function createHealthApp(deps: Pick<ApiDeps, "db" | "queues" | "authenticator" | "log" | "closing">): Koa {
  const koa = createKoaApp(deps.log);
  const router = new Router();
  mountRoutes(router, createHealthRoutes(deps), deps.authenticator);
  koa.use(router.routes());
  return koa;
}

/** Most resources in one page of a SCIM list. */
const SCIM_MAX_RESULTS = 200;

export function createApp(deps: ApiDeps): Koa {
  const koa = createKoaApp(deps.log);
  koa.use(createScimMiddleware({ provider: createProvider(deps), authenticator: deps.authenticator, log: deps.log }));
  const router = new Router();
  mountRoutes(router, createRoutes(deps), deps.authenticator);
  koa.use(router.routes());
  koa.use(router.allowedMethods());
  return koa;
}

function createProvider({ db, queues, log, baseUrl }: ApiDeps) {
  const store = createDirectory({
    db,
    beforeGroupDeletion: keepLastMembers,
    onCommitted: () => {
      // The changes are committed; should this be lost, the sweeper asks for it.
      queues
        .enqueueDirectoryChanged()
        .catch((error: unknown) => log.warn({ err: error }, "directory change not enqueued"));
    },
  });
  return createScimProvider({
    store,
    types: [createUserType(), createGroupType([branchEntitlementSchema])],
    baseUrl: () => `${baseUrl()}${SCIM_BASE_PATH}`,
    maxResults: SCIM_MAX_RESULTS,
  });
}

/** Every route of `/v1` and the health checks. */
function createRoutes(deps: ApiDeps): readonly Route[] {
  const endpoints = new Map(deps.configuration.endpoints.map(({ name, ci }) => [name, ci]));
  return [
    createSyncStatusRoute({ ...deps, endpoints, ci: deps.configuration.ci }),
    createAccessRoute(deps),
    ...createBranchRoutes(deps.db),
    ...createSyncRoutes(deps),
    ...createDeliveryRoutes(deps.db),
    ...createRecordRoutes(deps.db),
    ...createBindingRoutes(deps),
    ...createTokenRoutes(deps.db),
    ...createHealthRoutes(deps),
  ];
}
