/** Endpoints that are given up (rule B8): their groups are removed there, or left and forgotten. */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { raiseFinding, resolveFinding } from "../scopes/findings.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { type RequestedScope, requestScopes } from "../scopes/scopes.ts";

/** `remove`: the groups are emptied and deleted there; `leave`: they stay, and are no longer ours. */
export type RetirementMode = "remove" | "leave";

export interface Retirement {
  readonly endpoint: string;
  readonly mode: RetirementMode;
  readonly at: Date;
  readonly by: string;
  /** Groups that are ours there still. */
  readonly groups: number;
}

const FINDING = "endpoint-retired";

export interface RetirementRequest {
  readonly endpoint: string;
  readonly mode: RetirementMode;
  readonly by: string;
}

/** Gives an endpoint up; asks for all its scopes. Asked again it may change the mode. */
export async function retireEndpoint(
  trx: Queryable,
  { endpoint, mode, by }: RetirementRequest,
): Promise<readonly RequestedScope[]> {
  await sql`
    insert into endpoint_states (endpoint, retirement, retired_at, retired_by)
    values (${endpoint}, ${mode}, now(), ${by})
    on conflict (endpoint) do update set
      retirement = excluded.retirement, retired_at = now(), retired_by = excluded.retired_by, updated_at = now()`.execute(
    trx,
  );
  await raiseFinding(trx, {
    kind: FINDING,
    subject: endpoint,
    severity: "info",
    message: `retired by ${by}: take it out of the configuration when branchward endpoints list shows no groups there any more, or take that back with branchward endpoints retire ${endpoint} --undo`,
  });
  return requestScopesAt(trx, endpoint);
}

/** Takes a retirement back; asks for all its scopes. @returns undefined when the endpoint is not retired */
export async function undoRetirement(trx: Queryable, endpoint: string): Promise<readonly RequestedScope[] | undefined> {
  const { numAffectedRows = 0n } = await sql`
    update endpoint_states set retirement = null, retired_at = null, retired_by = null, updated_at = now()
    where endpoint = ${endpoint} and retirement is not null`.execute(trx);
  if (numAffectedRows === 0n) return undefined;
  await resolveFinding(trx, FINDING, endpoint);
  return requestScopesAt(trx, endpoint);
}

async function requestScopesAt(trx: Queryable, endpoint: string): Promise<readonly RequestedScope[]> {
  const rows = await trx.selectFrom("scopes").select("id").where("endpoint", "=", endpoint).execute();
  return requestScopes(
    trx,
    rows.map(({ id }) => id),
    "retire",
  );
}

/** Undefined for an endpoint in use. */
export async function findRetirementMode(db: Queryable, endpoint: string): Promise<RetirementMode | undefined> {
  const row = await db
    .selectFrom("endpoint_states")
    .select("retirement")
    .where("endpoint", "=", endpoint)
    .modifyEnd(prepared)
    .executeTakeFirst();
  return row?.retirement ?? undefined;
}

/** The names of those of these endpoints that are retired, in their order. */
export async function listRetiredEndpoints(db: Queryable, endpoints: readonly string[]): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("endpoint_states")
    .select("endpoint")
    .where("retirement", "is not", null)
    .modifyEnd(prepared)
    .execute();
  const retired = new Set(rows.map(({ endpoint }) => endpoint));
  return endpoints.filter((endpoint) => retired.has(endpoint));
}

/** Those of these endpoints that are retired. */
export async function listRetirements(db: Queryable, endpoints: readonly string[]): Promise<readonly Retirement[]> {
  const { rows } = await sql<Retirement>`
    select s.endpoint, s.retirement as mode, s.retired_at as at, s.retired_by as by, (
      select count(*) from scopes join entitlement_groups g on g.scope_id = scopes.id where scopes.endpoint = s.endpoint
    )::int as groups
    from endpoint_states s where s.endpoint = any(${endpoints}) and s.retirement is not null`.execute(db);
  return rows;
}

/** How many groups are ours at each endpoint, those with an unknown outcome included; endpoints without any are left out. */
export async function countGroupsByEndpoint(db: Queryable): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ endpoint: string; groups: number }>`
    select endpoint, count(*)::int as groups
    from scopes join entitlement_groups on entitlement_groups.scope_id = scopes.id group by endpoint`.execute(db);
  return new Map(rows.map(({ endpoint, groups }) => [endpoint, groups]));
}
