/** Accounts as an endpoint has them: find, read, write. */
import type { AccountHit, AccountOperation } from "@branchward/core";
import {
  type JsonObject,
  type ScimClient,
  ScimClientError,
  type ScimOperation,
  type ScimUser,
  toEqualityFilter,
} from "@branchward/scim";
import { isUnsupported, toReplacement } from "../endpoint/put-changes.ts";

/** An account as it was read. */
export interface EndpointAccount extends AccountHit {
  /** Null where the endpoint does not say. */
  readonly active: boolean | null;
  readonly resource: JsonObject;
}

export async function findAccountsByExternalId(
  client: ScimClient,
  externalId: string,
): Promise<readonly EndpointAccount[]> {
  return (await client.findUsers(toEqualityFilter("externalId", externalId))).map(toAccount);
}

export async function findAccountsByUserName(
  client: ScimClient,
  userName: string,
): Promise<readonly EndpointAccount[]> {
  return (await client.findUsers(toEqualityFilter("userName", userName))).map(toAccount);
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

/** Changes an account; where there is no PATCH it is PUT whole, bound to the version that was read. */
export async function changeAccount(
  client: ScimClient,
  account: EndpointAccount,
  operations: readonly AccountOperation[],
): Promise<void> {
  if (operations.length === 0) return;
  const asked = operations.map(toScimOperation);
  try {
    await client.patchUser(account.id, asked);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    const { resource, version } = await client.getUser(account.id);
    await client.replaceUser(account.id, toReplacement(resource, asked), { ifMatch: version });
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
  };
}

/** Some endpoints write booleans as text. */
function readActive(value: unknown): boolean | null {
  if (typeof value !== "string") return null;
  const text = value.toLowerCase();
  return text === "true" ? true : text === "false" ? false : null;
}
