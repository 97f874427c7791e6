import { type Queryable, type RequestedScope, requestRevocations, requestScopesOf } from "@branchward/store";

/** Asks for the scopes of these incarnations, as revocations: what ended there was ended by hand. */
export async function requestEnded(
  trx: Queryable,
  incarnations: readonly string[],
  reason: string,
): Promise<readonly RequestedScope[]> {
  const scopes = await requestScopesOf(trx, new Map(incarnations.map((id) => [id, reason])));
  await requestRevocations(
    trx,
    scopes.map(({ id }) => ({ kind: "scope", id, cause: "revoked" })),
  );
  return scopes;
}
