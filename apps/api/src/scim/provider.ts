/** The directory's service provider, as configuration and the traffic of each client shape it. */
import type { ScimConfiguration } from "@branchward/core";
import {
  createScimProvider,
  type Dialect,
  recognizeDialect,
  type ScimProvider,
  type ScimRequest,
} from "@branchward/scim";
import {
  createDirectory,
  type Database,
  type DirectoryContext,
  findUserByUserName,
  getCursorKey,
  keepLastMembers,
} from "@branchward/store";
import { MAX_BODY_BYTES } from "./body.ts";
import type { ClientTraffic } from "./client-traffic.ts";
import { createResourceTypes } from "./resource-types.ts";

export interface DirectoryProviderDeps {
  readonly db: Database;
  readonly configuration: ScimConfiguration;
  readonly traffic: ClientTraffic;
  readonly baseUrl: () => string;
  readonly onCommitted: () => void;
}

/** Most resources in one page of a list. */
const MAX_RESULTS = 200;
const MAX_BULK_OPERATIONS = 1_000;
const CURSOR_TIMEOUT_MS = 3_600_000;

export function createDirectoryProvider(deps: DirectoryProviderDeps): ScimProvider<DirectoryContext> {
  const { db, traffic, onCommitted } = deps;
  const typesFor = createResourceTypes(deps.configuration);
  const state: { key?: Promise<Uint8Array> } = {};
  // Many use the admin's token, each in another way: what one of them sent tells nothing of the next.
  const dialectOf = (request: ScimRequest<DirectoryContext>): Dialect | undefined =>
    request.context.kind === "admin" ? recognizeDialect(request) : traffic.dialectOf(request.context);
  return createScimProvider({
    store: createDirectory({ db, beforeGroupDeletion: keepLastMembers, onCommitted }),
    types: (request) => typesFor(dialectOf(request)),
    baseUrl: deps.baseUrl,
    maxResults: MAX_RESULTS,
    bulk: { maxOperations: MAX_BULK_OPERATIONS, maxPayloadSize: MAX_BODY_BYTES },
    // eslint-disable-next-line no-restricted-properties -- between apis, a cursor lives longer or shorter by their skew
    cursors: { key: () => (state.key ??= getCursorKey(db)), timeoutMs: CURSOR_TIMEOUT_MS, now: Date.now },
    findMe: async ({ client, kind }) => {
      const user = await findUserByUserName(db, client);
      const isVisible = user !== undefined && (kind !== "provisioning" || user.client === client);
      return isVisible ? { endpoint: "/Users", id: user.id } : undefined;
    },
    prefersNoContent: (request) => dialectOf(request) === "entra",
    onCoerced: (context, coercions) => traffic.countCoercions(context, coercions),
  });
}
