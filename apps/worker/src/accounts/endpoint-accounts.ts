/** Accounts as an endpoint has them: find, read, write. */
import { type AccountHit, type AccountOperation, foldName } from "@branchward/core";
import {
  type JsonObject,
  type ScimClient,
  ScimClientError,
  type ScimOperation,
  type ScimUser,
  toEqualityFilter,
} from "@branchward/scim";
import { isUnsupported, toReplacement } from "../endpoint/put-changes.ts";
import type { Versions } from "../endpoint/versions.ts";

/** An account as it was read. */
export interface EndpointAccount extends AccountHit {
  /** Null where the endpoint does not say. */
  readonly active: boolean | null;
  readonly resource: JsonObject;
  /** Undefined where the endpoint does not say. */
  readonly version: string | undefined;
}

export async function findAccountsByExternalId(
  client: ScimClient,
  externalId: string,
): Promise<readonly EndpointAccount[]> {
  const keep = (user: ScimUser): boolean => user.externalId === externalId;
  return (await client.findUsers(toEqualityFilter("externalId", externalId), { keep })).map(toAccount);
}

export async function findAccountsByUserName(
  client: ScimClient,
  userName: string,
): Promise<readonly EndpointAccount[]> {
  const name = foldName(userName);
  const keep = (user: ScimUser): boolean => foldName(user.userName) === name;
  return (await client.findUsers(toEqualityFilter("userName", userName), { keep })).map(toAccount);
}

/** Undefined when it is not there any more. */
export async function readAccount(client: ScimClient, id: string): Promise<EndpointAccount | undefined> {
  try {
    return toAccount(await client.getUser(id));
  } catch (error) {
    if (error instanceof ScimClientError && error.status === 404) return undefined;
    throw error;
  }
}

/** A client, and what it knows of the accounts' versions. */
export interface AccountWriter {
  readonly client: ScimClient;
  readonly versions: Pick<Versions, "find" | "note">;
}

/** Changes an account, bound to its version (rule C4); where there is no PATCH it is read and PUT whole. */
export async function changeAccount(
  { client, versions }: AccountWriter,
  { id }: Pick<EndpointAccount, "id">,
  operations: readonly AccountOperation[],
): Promise<void> {
  if (operations.length === 0) return;
  const asked = operations.map(toScimOperation);
  const ifMatch = await versions.find(id);
  try {
    versions.note(id, await client.patchUser(id, asked, { ifMatch }));
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    const read = await client.getUser(id);
    const replaced = await client.replaceUser(id, toReplacement(read.resource, asked), {
      ifMatch: ifMatch ?? read.version,
    });
    versions.note(id, replaced);
  }
}

function toScimOperation({ op, path, value }: AccountOperation): ScimOperation {
  return { op, path, ...(value === undefined ? {} : { value }) };
}

function toAccount(user: ScimUser): EndpointAccount {
  return {
    id: user.id,
    userName: user.userName,
    externalId: user.externalId,
    active: user.active ?? readActive(user.resource["active"]),
    resource: user.resource,
    version: user.version,
  };
}

/** Some endpoints write booleans as text. */
function readActive(value: unknown): boolean | null {
  if (typeof value !== "string") return null;
  const text = value.toLowerCase();
  return text === "true" ? true : text === "false" ? false : null;
}
