import { type Desired, UpstreamError, type UserId } from "@branchward/core";
import { type ScimClient, ScimClientError, toEqualityFilter } from "@branchward/scim";
import type { Endpoint } from "./endpoint.ts";

export interface AccountQuestion {
  readonly desired: Desired;
  readonly userNames: ReadonlyMap<UserId, string>;
}

/** Look-ups under way at once at one endpoint. */
const PARALLEL = 4;

/**
 * Which user of the endpoint a directory user is (rule C5): the same id at the built-in directory; elsewhere the one
 * that bears our id as `externalId`, else the one of the same `userName`. No single hit: no account.
 */
export async function createAccountLookup(
  client: ScimClient,
  endpoint: Endpoint,
  { desired, userNames }: AccountQuestion,
): Promise<(userId: UserId) => string | undefined> {
  if (endpoint.builtin) return (userId) => userId;
  const wanted = new Set<UserId>([
    ...desired.entitlements.flatMap((group) => group.members.map((member) => member.userId)),
    ...desired.exclusions.map((exclusion) => exclusion.userId),
  ]);
  const accounts = new Map<UserId, string>();
  const pending = [...wanted];
  const work = async (): Promise<void> => {
    for (let userId = pending.pop(); userId !== undefined; userId = pending.pop()) {
      const account = await findAccount(client, userId, userNames.get(userId));
      if (account !== undefined) accounts.set(userId, account);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return (userId) => accounts.get(userId);
}

async function findAccount(
  client: ScimClient,
  userId: UserId,
  userName: string | undefined,
): Promise<string | undefined> {
  try {
    const [linked, another] = await client.findUsers(toEqualityFilter("externalId", userId));
    if (linked !== undefined) return another === undefined ? linked.id : undefined;
    if (userName === undefined) return undefined;
    const [named, namesake] = await client.findUsers(toEqualityFilter("userName", userName));
    return namesake === undefined ? named?.id : undefined;
  } catch (error) {
    if (!(error instanceof ScimClientError)) throw error;
    throw new UpstreamError(`accounts cannot be looked up: ${error.message}`, { cause: error });
  }
}
