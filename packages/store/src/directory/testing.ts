/** The directory behind a provider, for integration tests. */
import { branchEntitlementExtension } from "@branchward/core";
import {
  createGroupType,
  createScimProvider,
  createUserType,
  type ResourceType,
  type ScimResponse,
} from "@branchward/scim";
import type { Database } from "../connection/database.ts";
import { openTestDatabase } from "../testing.ts";
import type { DirectoryChange } from "./changes.ts";
import { entitlementExtension, type DirectoryContext } from "./context.ts";
import { createDirectory } from "./directory.ts";

const userType: ResourceType = createUserType();
/** Groups with the extension of entitlement groups. */
export const groupType: ResourceType = createGroupType([branchEntitlementExtension]);

/** A provisioning client. */
export const okta: DirectoryContext = { client: "okta", kind: "provisioning" };
/** Another provisioning client. */
export const entra: DirectoryContext = { client: "entra", kind: "provisioning" };
/** An administrator. */
export const admin: DirectoryContext = { client: "admin", kind: "admin" };
/** The worker, without a fence. */
export const internal: DirectoryContext = { client: "internal", kind: "internal" };

/** A User body. */
export const userBody = (attributes: object): object => ({ schemas: [userType.schema.id], ...attributes });
/** A Group body. */
export const groupBody = (attributes: object): object => ({ schemas: [groupType.schema.id], ...attributes });
/** A PATCH body. */
export const patchBody = (...operations: readonly object[]): object => ({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  Operations: operations,
});
/** An entitlement group of an incarnation. */
export const entitlementBody = (incarnation: string, attributes: object = {}): object => ({
  schemas: [groupType.schema.id, entitlementExtension],
  displayName: `acme/web:${incarnation}:push`,
  externalId: `branchward:${incarnation}:push`,
  [entitlementExtension]: { repository: "acme/web", branch: "main", entitlement: "push", incarnation },
  ...attributes,
});

/** What tests look at in bodies; what an answer lacks reads as undefined. */
interface WireBody {
  readonly id: string;
  readonly userName: string;
  readonly name: unknown;
  readonly active: boolean;
  readonly members: readonly { readonly value: string }[];
  readonly totalResults: number;
  readonly Resources: readonly WireBody[];
  readonly detail: string;
  readonly scimType: string;
}

/** The directory behind a provider, on a database of its own. */
export interface TestDirectory extends AsyncDisposable {
  readonly db: Database;
  /** Told after commit, in order. */
  readonly committed: DirectoryChange[];
  readonly request: (
    context: DirectoryContext,
    line: string,
    body?: object,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<ScimResponse & { readonly json: WireBody }>;
  /** Creates a resource and returns its id. */
  readonly create: (context: DirectoryContext, path: "/Users" | "/Groups", body: object) => Promise<string>;
  /** Creates a user of a new name, for Okta unless another is given. */
  readonly createUser: (context?: DirectoryContext, attributes?: object) => Promise<string>;
  /** Creates a group of a new name, for Okta unless another is given. */
  readonly createGroup: (context?: DirectoryContext, members?: readonly string[]) => Promise<string>;
  /** The ids of a group's members, sorted. */
  readonly listMembers: (id: string) => Promise<readonly string[]>;
  /** A name that nothing in the directory bears. */
  readonly unique: (name: string) => string;
}

/** Opens a test directory; the `line` of a request is `METHOD /path?query`. */
export async function openTestDirectory(): Promise<TestDirectory> {
  const database = await openTestDatabase();
  const committed: DirectoryChange[] = [];
  const provider = createScimProvider({
    store: createDirectory({ db: database.db, onCommitted: (changes) => committed.push(...changes) }),
    types: [userType, groupType],
    baseUrl: () => "http://directory.example/scim/v2",
    maxResults: 100,
  });
  const request: TestDirectory["request"] = async (context, line, body, headers = {}) => {
    const [method = "", target = ""] = line.split(/ (.*)/s);
    const [path = "", query = ""] = target.split(/\?(.*)/s);
    const parameters = new URLSearchParams(query);
    const response = await provider.handle({ method, path, query: parameters, headers, body, context });
    return { ...response, json: parseWireBody(response.body) };
  };
  const create: TestDirectory["create"] = async (context, path, body) => {
    const { status, json } = await request(context, `POST ${path}`, body);
    if (status !== 201) throw new Error(`${status} ${JSON.stringify(json)}`);
    return json.id;
  };
  let count = 0;
  const unique = (name: string): string => `${name}-${++count}`;
  return {
    db: database.db,
    committed,
    request,
    create,
    unique,
    createUser: (context = okta, attributes = {}) =>
      create(context, "/Users", userBody({ userName: unique("user"), ...attributes })),
    createGroup: (context = okta, members = []) =>
      create(
        context,
        "/Groups",
        groupBody({ displayName: unique("group"), members: members.map((value) => ({ value })) }),
      ),
    async listMembers(id) {
      const { json } = await request(admin, `GET /Groups/${id}`);
      return json.members.map(({ value }) => value).toSorted();
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

function parseWireBody(body: unknown): WireBody {
  return body as WireBody;
}
