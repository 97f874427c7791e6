/** Hides how a member delta gets to an endpoint: PATCHes in chunks, several in one bulk request, or PUT of the whole group. */
import type { JsonObject } from "../json.ts";
import { bulkRequestSchema } from "../provider/bulk.ts";
import { patchSchema } from "../patch/operations.ts";
import { groupSchema } from "../schema/group.ts";
import type { ScimCalls, WriteAnswer, WriteOptions } from "./calls.ts";
import { ScimClientError } from "./error.ts";
import type { CallOptions } from "./http.ts";
import { applyMemberDelta, toMemberPatches, type ScimMemberDelta, type ScimOperation } from "./operations.ts";
import { parseBulkAnswers, parseGroup, type ScimServiceProviderConfig } from "./resources.ts";

/** How members are changed. */
export interface MemberPatchOptions extends WriteOptions {
  /** Members named in one PATCH, 100 unless said: some endpoints allow no more, some one. */
  readonly maxValues?: number;
  /** From `serviceProviderConfig`: without PATCH the group is PUT, with bulk several PATCHes go in one request. */
  readonly profile?: Pick<ScimServiceProviderConfig, "patch" | "bulkLimits">;
}

/** Applies a delta to the group at the path, removals first. */
export async function patchMembers(
  calls: ScimCalls,
  path: string,
  delta: ScimMemberDelta,
  options: MemberPatchOptions,
): Promise<WriteAnswer> {
  const { maxValues = 100, profile, ...more } = options;
  if (profile?.patch === false) return putMembers(calls, path, delta, more);
  const patches = toMemberPatches(delta, maxValues);
  const limits = profile?.bulkLimits;
  // A bulk has no If-Match of its own for what a PATCH before it in the same bulk makes of the group.
  if (limits !== undefined && patches.length > 1 && more.ifMatch === undefined) {
    return bulkPatches(calls, path, patches, { ...more, limits });
  }
  return patchInTurn(calls, path, { ...more, patches, delta });
}

async function patchInTurn(
  calls: ScimCalls,
  path: string,
  options: WriteOptions & { readonly patches: readonly (readonly ScimOperation[])[]; readonly delta: ScimMemberDelta },
): Promise<WriteAnswer> {
  const { patches, delta, ifMatch, ...more } = options;
  let last: WriteAnswer = { version: ifMatch, lastModified: undefined };
  for (const [index, operations] of patches.entries()) {
    // An answer need not tell the version that it made (RFC 7644 §3.14).
    const version = ifMatch && (last.version ?? (await readGroupVersion(calls, path, more)));
    try {
      last = await calls.patch(path, operations, { ...more, ifMatch: version });
    } catch (error) {
      // The endpoint has no PATCH and did not say so: nothing was written.
      if (index === 0 && isUnsupported(error)) return putMembers(calls, path, delta, { ...more, ifMatch });
      throw error;
    }
  }
  return last;
}

async function readGroupVersion({ get }: ScimCalls, path: string, more: CallOptions): Promise<string | undefined> {
  const query = { excludedAttributes: "members" };
  return (await get(path, ({ body, etag }) => parseGroup(body, { etag, withMembers: false }), { ...more, query }))
    .version;
}

function isUnsupported(error: unknown): boolean {
  return error instanceof ScimClientError && (error.status === 405 || error.status === 501);
}

/** Bound to the version that was read, where there is one: an addition by somebody else in between is not undone. */
async function putMembers(
  { get, put }: ScimCalls,
  path: string,
  delta: ScimMemberDelta,
  { ifMatch, ...more }: WriteOptions,
): Promise<WriteAnswer> {
  const group = await get(path, ({ body, etag }) => parseGroup(body, { etag, withMembers: true }), more);
  const members = applyMemberDelta(
    (group.members ?? []).map(({ value }) => value),
    delta,
  );
  const { meta: _, members: __, ...attributes } = group.resource;
  const body: JsonObject = {
    schemas: [groupSchema.id],
    ...attributes,
    members: members.map((value) => ({ value })),
  };
  return put(path, body, { ...more, ifMatch: ifMatch ?? group.version });
}

interface BulkOptions extends WriteOptions {
  readonly limits: NonNullable<ScimServiceProviderConfig["bulkLimits"]>;
}

async function bulkPatches(
  { post }: ScimCalls,
  path: string,
  patches: readonly (readonly ScimOperation[])[],
  { limits, ...more }: BulkOptions,
): Promise<WriteAnswer> {
  let version: string | undefined;
  for (const operations of toBatches(
    patches.map((patch) => toBulkOperation(path, patch)),
    limits,
  )) {
    const body = { schemas: [bulkRequestSchema], failOnErrors: 1, Operations: operations };
    const answers = await post("/Bulk", body, ({ body: answered }) => parseBulkAnswers(answered), more);
    const failed = answers.find(({ status }) => status >= 300);
    if (failed !== undefined || answers.length < operations.length) {
      const { status, scimType, detail } = failed ?? {
        status: 200,
        scimType: undefined,
        detail: "not all were answered",
      };
      const failure = { kind: "http", status, scimType, detail, outcomeUnknown: failed === undefined } as const;
      throw new ScimClientError(
        `PATCH ${path} in a bulk: ${status}${detail === undefined ? "" : `: ${detail}`}`,
        failure,
      );
    }
    version = answers.at(-1)?.version;
  }
  return { version, lastModified: undefined };
}

function toBulkOperation(path: string, operations: readonly ScimOperation[]): JsonObject {
  const data = { schemas: [patchSchema], Operations: operations.map((operation) => ({ ...operation })) };
  return { method: "PATCH", path, data };
}

/** As many operations to a request as its limits allow; one too long for any goes by itself and is refused there. */
function toBatches(
  operations: readonly JsonObject[],
  { maxOperations, maxPayloadSize }: BulkOptions["limits"],
): readonly (readonly JsonObject[])[] {
  const envelope = 200;
  const batches: JsonObject[][] = [];
  let size = 0;
  for (const operation of operations) {
    const length = Buffer.byteLength(JSON.stringify(operation)) + 1;
    const batch = batches.at(-1);
    if (batch === undefined || batch.length >= maxOperations || size + length > maxPayloadSize) {
      batches.push([operation]);
      size = envelope + length;
    } else {
      batch.push(operation);
      size += length;
    }
  }
  return batches;
}
