/** A client that speaks to an endpoint as its card advises. */
import { branchEntitlementSchema, type ClientProfile, toClientProfile } from "@branchward/core";
import type { ScimClient } from "@branchward/scim";
import { type Database, findEndpointCard } from "@branchward/store";
import { isUnsupported, toReplacement } from "./put-changes.ts";

/** A card counts after so long, in every process: before the runs that failed for want of it are tried again. */
const FRESH_MS = 1_000;

/** The profile of the moment, read again now and then. */
export function createProfileReader(db: Database, endpoint: string, now: () => number): () => Promise<ClientProfile> {
  const state: { profile: ClientProfile | undefined; at: number } = { profile: undefined, at: 0 };
  return async () => {
    if (state.profile === undefined || now() - state.at > FRESH_MS) {
      state.at = now();
      state.profile = toClientProfile(await findEndpointCard(db, endpoint));
    }
    return state.profile;
  };
}

const BY_EXTERNAL_ID = /^externalId eq /u;

/** What an endpoint cannot be asked it is not asked: nothing is found that way, and the name is looked for next. */
export function applyProfile(client: ScimClient, readProfile: () => Promise<ClientProfile>): ScimClient {
  return {
    ...client,
    async findGroups(filter, options) {
      const isLost = BY_EXTERNAL_ID.test(filter ?? "") && !(await readProfile()).findsGroupsByExternalId;
      return isLost ? [] : client.findGroups(filter, options);
    },
    async findUsers(filter, options) {
      const isLost = BY_EXTERNAL_ID.test(filter ?? "") && !(await readProfile()).findsUsersByExternalId;
      return isLost ? [] : client.findUsers(filter, options);
    },
    async createGroup(group, options) {
      if ((await readProfile()).takesExtension) return client.createGroup(group, options);
      const { [branchEntitlementSchema]: _, schemas: __, ...attributes } = group;
      return client.createGroup(attributes, options);
    },
    async patchGroup(id, operations, options) {
      const { patch, keepsExtension } = await readProfile();
      // A path into what is not there is refused, and the rest of the PATCH with it.
      const known = keepsExtension ? operations : operations.filter(({ path }) => !isOfExtension(path));
      if (!patch) return putGroup(client, id, { operations: known, options });
      try {
        return await client.patchGroup(id, known, options);
      } catch (error) {
        if (!isUnsupported(error)) throw error;
        return putGroup(client, id, { operations: known, options });
      }
    },
    async patchMembers(id, delta, options = {}) {
      const { patch, membersPerPatch } = await readProfile();
      // No bulk: each PATCH is judged, and stopped, by itself.
      return client.patchMembers(id, delta, {
        maxValues: membersPerPatch,
        profile: { patch, bulkLimits: undefined },
        ...options,
      });
    },
  };
}

function isOfExtension(path: string | undefined): boolean {
  return path?.startsWith(branchEntitlementSchema) === true;
}

interface GroupChange {
  readonly operations: Parameters<ScimClient["patchGroup"]>[1];
  readonly options: Parameters<ScimClient["patchGroup"]>[2];
}

/** Bound to the version that was read, where there is one: whoever joins in between stays. */
async function putGroup(client: ScimClient, id: string, { operations, options }: GroupChange) {
  const { resource, version } = await client.getGroup(id);
  return client.replaceGroup(id, toReplacement(resource, operations), {
    ...options,
    ifMatch: options?.ifMatch ?? version,
  });
}
