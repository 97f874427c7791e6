import type { JsonObject } from "../json.ts";
import { groupSchema } from "../schema/group.ts";
import { userSchema } from "../schema/user.ts";
import {
  createCalls,
  type FindOptions,
  type KeepOption,
  type PageOptions,
  type ResourcePage,
  type ScimCalls,
  type WriteAnswer,
  type WriteOptions,
} from "./calls.ts";
import type { CallOptions, ScimHttpOptions } from "./http.ts";
import { ScimClientError } from "./error.ts";
import { patchMembers, type MemberPatchOptions } from "./member-patches.ts";
import { toEqualityFilter, type ScimMemberDelta, type ScimOperation } from "./operations.ts";
import {
  parseGroup,
  parseSchemas,
  parseServiceProviderConfig,
  parseUser,
  type ScimGroup,
  type ScimSchemaSummary,
  type ScimServiceProviderConfig,
  type ScimUser,
} from "./resources.ts";

/** How to read groups. */
export interface GroupReadOptions extends CallOptions {
  /** Leaves members out, where the endpoint honours it. */
  readonly excludeMembers?: boolean;
}

/** Calls on groups (see `ScimClient`). */
export interface ScimGroupCalls {
  getGroup(id: string, options?: GroupReadOptions): Promise<ScimGroup>;
  findGroups(
    filter: string | undefined,
    options?: GroupReadOptions & FindOptions & KeepOption<ScimGroup>,
  ): Promise<readonly ScimGroup[]>;
  /** One page of all groups, for whoever reads them at a pace of their own. */
  readGroupPage(page: PageOptions): Promise<ResourcePage<ScimGroup>>;
  /** `group` needs `displayName`; `schemas` is added where it is missing. */
  createGroup(group: JsonObject, options?: CallOptions): Promise<ScimGroup>;
  replaceGroup(id: string, group: JsonObject, options?: WriteOptions): Promise<WriteAnswer>;
  patchGroup(id: string, operations: readonly ScimOperation[], options?: WriteOptions): Promise<WriteAnswer>;
  /**
   * Applies a delta in PATCHes of at most `maxValues` members (100, which some endpoints allow at most), one after
   * another, removals first; `ifMatch` binds the first one, the answers' versions the others, read where an answer does
   * not tell. Where the profile has bulk, several go in one request; where there is no PATCH, the group is read and PUT,
   * bound to its version.
   */
  patchMembers(id: string, delta: ScimMemberDelta, options?: MemberPatchOptions): Promise<WriteAnswer>;
  /**
   * As `createGroup`, but an unknown outcome is resolved by reading: a group that now bears the `externalId` was made.
   * Needs an `externalId` that nothing bore before.
   */
  ensureGroup(group: JsonObject & { readonly externalId: string }, options?: CallOptions): Promise<ScimGroup>;
  deleteGroup(id: string, options?: WriteOptions): Promise<void>;
}

/** Calls on users (see `ScimClient`). */
export interface ScimUserCalls {
  getUser(id: string, options?: CallOptions): Promise<ScimUser>;
  findUsers(filter: string | undefined, options?: FindOptions & KeepOption<ScimUser>): Promise<readonly ScimUser[]>;
  /** As `readGroupPage`. */
  readUserPage(page: PageOptions): Promise<ResourcePage<ScimUser>>;
  createUser(user: JsonObject, options?: CallOptions): Promise<ScimUser>;
  replaceUser(id: string, user: JsonObject, options?: WriteOptions): Promise<WriteAnswer>;
  patchUser(id: string, operations: readonly ScimOperation[], options?: WriteOptions): Promise<WriteAnswer>;
  deleteUser(id: string, options?: WriteOptions): Promise<void>;
}

/**
 * A SCIM 2.0 client of one endpoint (RFC 7644). Every call fails with `ScimClientError` alone; 404 is one of kind
 * `http`. Nothing is retried and no redirect followed. `find*` reads all pages; an endpoint that gives fewer resources
 * than it counts is `malformed`.
 */
export interface ScimClient extends ScimGroupCalls, ScimUserCalls {
  serviceProviderConfig(options?: CallOptions): Promise<ScimServiceProviderConfig>;
  /** The schemas that the endpoint tells of, with the names of their attributes. */
  schemas(options?: CallOptions): Promise<readonly ScimSchemaSummary[]>;
}

/** Makes a client; nothing is sent until it is used. */
export function createScimClient(options: ScimHttpOptions): ScimClient {
  const calls = createCalls(options);
  return {
    ...createGroupCalls(calls),
    ...createUserCalls(calls),
    serviceProviderConfig: (more) =>
      calls.get("/ServiceProviderConfig", ({ body }) => parseServiceProviderConfig(body), more),
    schemas: (more) => calls.get("/Schemas", ({ body }) => parseSchemas(body), more),
  };
}

function createGroupCalls(calls: ScimCalls): ScimGroupCalls {
  const { get, find, readPage, post, put, patch, remove } = calls;
  const findGroups: ScimGroupCalls["findGroups"] = (filter, { excludeMembers = false, ...more } = {}) => {
    const parse = (body: unknown): ScimGroup => parseGroup(body, { withMembers: !excludeMembers });
    return find({ path: "/Groups", query: toGroupQuery(excludeMembers), parse }, filter, more);
  };
  const createGroup: ScimGroupCalls["createGroup"] = (group, more) =>
    post(
      "/Groups",
      withSchemas(groupSchema.id, group),
      ({ body, etag }) => parseGroup(body, { etag, withMembers: true }),
      more,
    );
  return {
    getGroup: (id, { excludeMembers = false, ...more } = {}) =>
      get(toGroupPath(id), ({ body, etag }) => parseGroup(body, { etag, withMembers: !excludeMembers }), {
        ...more,
        query: toGroupQuery(excludeMembers),
      }),
    findGroups,
    readGroupPage: (page) =>
      readPage({ path: "/Groups", query: {}, parse: (body) => parseGroup(body, { withMembers: true }) }, page),
    createGroup,
    replaceGroup: (id, group, more) => put(toGroupPath(id), withSchemas(groupSchema.id, group), more),
    patchGroup: (id, operations, more) => patch(toGroupPath(id), operations, more),
    patchMembers: (id, delta, more = {}) => patchMembers(calls, toGroupPath(id), delta, more),
    async ensureGroup(group, more) {
      try {
        return await createGroup(group, more);
      } catch (error) {
        if (!(error instanceof ScimClientError) || !error.outcomeUnknown) throw error;
        const [found] = await findGroups(toEqualityFilter("externalId", group.externalId), more);
        if (found === undefined) throw error;
        return found;
      }
    },
    deleteGroup: (id, more) => remove(toGroupPath(id), more),
  };
}

function createUserCalls({ get, find, readPage, post, put, patch, remove }: ScimCalls): ScimUserCalls {
  return {
    getUser: (id, more) => get(toUserPath(id), ({ body, etag }) => parseUser(body, etag), more),
    findUsers: (filter, more) => find({ path: "/Users", query: {}, parse: (body) => parseUser(body) }, filter, more),
    readUserPage: (page) => readPage({ path: "/Users", query: {}, parse: (body) => parseUser(body) }, page),
    createUser: (user, more) =>
      post("/Users", withSchemas(userSchema.id, user), ({ body, etag }) => parseUser(body, etag), more),
    replaceUser: (id, user, more) => put(toUserPath(id), withSchemas(userSchema.id, user), more),
    patchUser: (id, operations, more) => patch(toUserPath(id), operations, more),
    deleteUser: (id, more) => remove(toUserPath(id), more),
  };
}

function withSchemas(schema: string, resource: JsonObject): JsonObject {
  return { schemas: [schema], ...resource };
}

function toGroupPath(id: string): string {
  return `/Groups/${encodeURIComponent(id)}`;
}

function toUserPath(id: string): string {
  return `/Users/${encodeURIComponent(id)}`;
}

function toGroupQuery(excludeMembers: boolean): Readonly<Record<string, string>> {
  return excludeMembers ? { excludedAttributes: "members" } : {};
}
