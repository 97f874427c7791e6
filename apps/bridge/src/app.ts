/** A bridge over HTTP: SCIM 2.0 in front of one native system. */
import { branchEntitlementExtension } from "@branchward/core";
import { createKoaApp, type Logger } from "@branchward/runtime";
import {
  createGroupType,
  createScimProvider,
  createUserType,
  recognizeDialect,
  type SchemaSpecification,
} from "@branchward/scim";
import type Koa from "koa";
import { createHealthMiddleware } from "./http/health.ts";
import { createScimMiddleware, MAX_BODY_BYTES, SCIM_BASE_PATH } from "./http/serve-scim.ts";
import type { TokenCheck } from "./http/tokens.ts";
import type { NativeStore } from "./store/native-store.ts";

export interface BridgeDeps {
  readonly native: Pick<NativeStore, "store" | "problems">;
  /** Extensions of User that the native system understands. */
  readonly userExtensions: readonly SchemaSpecification[];
  readonly tokens: TokenCheck;
  /** Where the bridge is reached, asked at each request since a port may not be known yet. */
  readonly baseUrl: () => string;
  readonly log: Logger;
  /** Aborts when the process goes down. */
  readonly closing: AbortSignal;
}

/** Most resources in one page of a list. */
const MAX_RESULTS = 200;
const MAX_BULK_OPERATIONS = 1_000;

export function createBridgeApp({ native, userExtensions, tokens, baseUrl, log, closing }: BridgeDeps): Koa {
  const provider = createScimProvider({
    store: native.store,
    types: [
      createUserType(userExtensions, { derivedAttributes: ["groups"] }),
      createGroupType([branchEntitlementExtension]),
    ],
    baseUrl: () => `${baseUrl()}${SCIM_BASE_PATH}`,
    maxResults: MAX_RESULTS,
    prefersNoContent: (request) => recognizeDialect(request) === "entra",
    bulk: { maxOperations: MAX_BULK_OPERATIONS, maxPayloadSize: MAX_BODY_BYTES },
  });
  const koa = createKoaApp(log);
  koa.use(createHealthMiddleware({ problems: native.problems, closing }));
  koa.use(createScimMiddleware({ provider, tokens, log }));
  return koa;
}
