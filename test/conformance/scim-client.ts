/** An identity provider as it speaks on the wire: requests as recorded, against the real api, one token each. */
import { tokenMade } from "@branchward/core/api";
import { z } from "zod";
import { startTestSystem, type TestSystem, type TestSystemOptions } from "../support/system.ts";

export const userUrn = "urn:ietf:params:scim:schemas:core:2.0:User";
export const groupUrn = "urn:ietf:params:scim:schemas:core:2.0:Group";
export const enterpriseUrn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const patchUrn = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/** What Okta says of a user when it creates one. */
export const oktaProfile = {
  name: { givenName: "Ann", familyName: "Lee" },
  emails: [{ primary: true, value: "ann@acme.example", type: "work" }],
  displayName: "Ann Lee",
  locale: "en-US",
  externalId: "00u1",
  groups: [],
  password: "1mz050nq",
  active: true,
};

/** What tests look at in answers; what an answer lacks is undefined. */
const wireBody = z.looseObject({
  id: z.string().optional(),
  schemas: z.array(z.string()).optional(),
  userName: z.string().optional(),
  displayName: z.string().optional(),
  active: z.boolean().optional(),
  members: z.array(z.looseObject({ value: z.string() })).optional(),
  meta: z.looseObject({ version: z.string().optional() }).optional(),
  totalResults: z.int().optional(),
  nextCursor: z.string().optional(),
  Resources: z.array(z.looseObject({ id: z.string().optional() })).optional(),
  Operations: z.array(z.looseObject({ status: z.string() })).optional(),
  scimType: z.string().optional(),
  detail: z.string().optional(),
});
export type WireBody = z.output<typeof wireBody>;

export interface WireAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: WireBody;
}

/** A request line is `METHOD /path?query`, spaces and quotes of the query as written. */
export type Send = (line: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<WireAnswer>;

export interface Conformance extends AsyncDisposable {
  readonly system: TestSystem;
  /** A client of its own with a token of its own. */
  connect(client: string, headers?: Readonly<Record<string, string>>): Promise<Send>;
}

export async function startConformance(options: TestSystemOptions = {}): Promise<Conformance> {
  const system = await startTestSystem(options);
  return {
    system,
    async connect(client, headers = {}) {
      const made = await system.api.request("/v1/tokens", { method: "POST", body: { client, scope: "scim" } });
      return createSend(system.url, tokenMade.parse(made.body).secret, headers);
    },
    [Symbol.asyncDispose]: () => system[Symbol.asyncDispose](),
  };
}

export function createSend(url: string, token: string, always: Readonly<Record<string, string>> = {}): Send {
  return async (line, body, headers = {}) => {
    const [method = "", target = ""] = line.split(/ (.*)/su);
    const [path = "", query = ""] = target.split(/\?(.*)/su);
    const pairs = query.split(/&(?=\w+(?:=|$))/u).map((pair) => {
      const [name = "", value = ""] = pair.split(/=(.*)/su);
      return `${name}=${encodeURIComponent(value)}`;
    });
    const encoded = pairs.join("&");
    const response = await fetch(`${url}/scim/v2${path}${query === "" ? "" : `?${encoded}`}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/scim+json" }),
        ...always,
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed = wireBody.parse(text === "" ? {} : JSON.parse(text));
    return { status: response.status, headers: response.headers, body: parsed };
  };
}

export const user = (userName: string, more: object = {}): object => ({ schemas: [userUrn], userName, ...more });
export const group = (displayName: string, more: object = {}): object => ({
  schemas: [groupUrn],
  displayName,
  ...more,
});
export const patch = (...operations: readonly object[]): object => ({ schemas: [patchUrn], Operations: operations });

/** Creates a resource. @returns its id. */
export async function create(send: Send, path: string, body: object): Promise<string> {
  const answer = await send(`POST ${path}`, body);
  if (answer.status !== 201 || answer.body.id === undefined) throw new Error(JSON.stringify(answer.body));
  return answer.body.id;
}

/** Ids of a group's members, sorted. */
export async function listMembers(send: Send, id: string): Promise<readonly string[]> {
  const { body } = await send(`GET /Groups/${id}`);
  return (body.members ?? []).map(({ value }) => value).toSorted();
}
