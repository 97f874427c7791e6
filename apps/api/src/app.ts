/** The api: SCIM for identity providers, `/v1` for CI, command line and dashboard. */
import { type Configuration, hasAskableHost } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import { type Authenticator, createKoaApp, type Logger, mountRoutes, type Route } from "@branchward/runtime";
import type { ActivePolicy, Database, Notifications } from "@branchward/store";
import Router from "@koa/router";
import type Koa from "koa";
import { createLiveFeed } from "./live/live-feed.ts";
import { createDocumentRoutes } from "./openapi/routes.ts";
import { createQueueBoard } from "./pages/queue-board.ts";
import { createDashboardMiddleware } from "./pages/serve-dashboard.ts";
import { createFollowUp } from "./follow-up.ts";
import { createAccessRoute } from "./routes/access.ts";
import { createAccountRoutes } from "./routes/accounts.ts";
import { createBindingRoutes } from "./routes/bindings.ts";
import { createBranchRoutes } from "./routes/branches.ts";
import { createClientRoutes } from "./routes/clients.ts";
import { createDecisionRoute } from "./routes/decisions.ts";
import { createDeliveryRoutes, type ReplayDelivery } from "./routes/deliveries.ts";
import { createEndpointRoute } from "./routes/endpoints.ts";
import { createEnrolmentRoutes } from "./routes/enrolments.ts";
import { createEventRoute } from "./routes/events.ts";
import { createGrantRoutes } from "./routes/grants.ts";
import { createHealthRoutes } from "./routes/health.ts";
import { createPolicyRoutes } from "./routes/policy.ts";
import { createHoldRoutes } from "./routes/holds.ts";
import { createLinkRoutes } from "./routes/links.ts";
import { createRecordRoutes } from "./routes/records.ts";
import { createRevocationRoute } from "./routes/revocations.ts";
import { createProbeRoute, createRetirementRoute } from "./routes/endpoint-actions.ts";
import { createRepositoryRoute } from "./routes/repositories.ts";
import { createSessionRoutes } from "./routes/sessions.ts";
import { createSyncStatusRoute } from "./routes/sync-status.ts";
import { createSyncRoutes } from "./routes/syncs.ts";
import { createTokenRoutes } from "./routes/tokens.ts";
import { type ClientTraffic, createClientTraffic } from "./scim/client-traffic.ts";
import { createDirectoryProvider } from "./scim/provider.ts";
import { createWakeUp } from "./scim/wake-up.ts";
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
  /** Aborts when waits and event streams are to end. */
  readonly closing: AbortSignal;
  /** Applies a stored delivery again. */
  readonly replay: ReplayDelivery;
  /** Where the built dashboard lies, if it is built. */
  readonly dashboardDir: string;
}

/** A process that is no api answers its health alone. */
export function createHealthApp(deps: Pick<ApiDeps, "db" | "queues" | "authenticator" | "log" | "closing">): Koa {
  const koa = createKoaApp(deps.log);
  const router = new Router();
  mountRoutes(router, createHealthRoutes(deps), deps.authenticator);
  koa.use(router.routes());
  return koa;
}

export function createApp(deps: ApiDeps): Koa {
  const koa = createKoaApp(deps.log);
  const traffic = createClientTraffic(deps);
  koa.use(createScimMiddleware({ ...deps, provider: createProvider(deps, traffic), traffic }));
  koa.use(createQueueBoard(deps));
  koa.use(createDashboardMiddleware(deps.dashboardDir));
  const router = new Router();
  mountRoutes(router, createRoutes(deps, traffic), deps.authenticator);
  koa.use(router.routes());
  koa.use(router.allowedMethods());
  return koa;
}

function createProvider({ db, queues, log, baseUrl, configuration }: ApiDeps, traffic: ClientTraffic) {
  return createDirectoryProvider({
    db,
    configuration: configuration.scim,
    traffic,
    baseUrl: () => `${baseUrl()}${SCIM_BASE_PATH}`,
    onCommitted: createWakeUp(() => queues.enqueueDirectoryChanged(), log),
  });
}

/** Every route but SCIM's and the pages: what `/openapi.json` describes. */
export function createRoutes(deps: ApiDeps, traffic: ClientTraffic): readonly Route[] {
  const { ci, endpoints, sources, grants, holds } = deps.configuration;
  const required = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint.ci]));
  const followUp = createFollowUp(deps);
  const askable = sources.filter(hasAskableHost).map(({ name }) => name);
  const routes = [
    createSyncStatusRoute({ ...deps, endpoints: required, ci, askable }),
    createAccessRoute(deps),
    createDecisionRoute({ ...deps, sources }),
    createRepositoryRoute(deps.db),
    ...createBranchRoutes(deps),
    ...createClientRoutes(deps.db, traffic),
    ...createSyncRoutes({ ...deps, followUp }),
    ...createDeliveryRoutes(deps),
    createEndpointRoute({ db: deps.db, endpoints }),
    ...createAccountRoutes({ ...deps, followUp, endpoints }),
    createRetirementRoute({ ...deps, followUp, endpoints }),
    createProbeRoute({ ...deps, endpoints }),
    ...createRecordRoutes(deps.db),
    createRevocationRoute(deps.db),
    ...createBindingRoutes({ ...deps, followUp }),
    ...createPolicyRoutes({ ...deps, followUp, endpoints: endpoints.map(({ name }) => name) }),
    ...createTokenRoutes({ ...deps, followUp }),
    ...createEnrolmentRoutes(deps.db),
    ...createLinkRoutes({ ...deps, followUp, sources }),
    ...createGrantRoutes({ ...deps, followUp, grants }),
    ...createHoldRoutes({ ...deps, followUp, endpoints: endpoints.map(({ name }) => name), maxMs: holds.maxMs }),
    ...createSessionRoutes(deps),
    createEventRoute({ authenticator: deps.authenticator, feed: createLiveFeed(deps) }),
    ...createHealthRoutes(deps),
  ];
  return [...routes, ...createDocumentRoutes(routes)];
}
