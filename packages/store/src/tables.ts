import type { BranchState, RefType, Vcs, Verdict } from "@branchward/core";
import type { ColumnType, Generated, JSONColumnType } from "kysely";
import type { DirectoryTables } from "./directory/tables.ts";
import type { PeopleTables } from "./people/people-tables.ts";

type Timestamp = ColumnType<Date, Date, Date>;
type NullableTimestamp = ColumnType<Date | null, Date | null | undefined, Date | null>;
type WithDefault<T> = ColumnType<T, T | undefined, T>;
/** Written as text, read as parsed JSON. */
type Json = JSONColumnType<object>;
type JsonWithDefault = ColumnType<unknown, string | undefined, string>;

interface RepositoriesTable {
  id: string;
  name: string;
  vcs: Vcs;
  seq: Generated<number>;
  created_at: Generated<Date>;
}

interface RepositoryBindingsTable {
  id: string;
  repository_id: string;
  source: string;
  native_id: string | null;
  name: string;
  created_at: Generated<Date>;
}

interface DeliveriesTable {
  id: string;
  seq: Generated<number>;
  xid: Generated<string>;
  source: string;
  delivery_key: string;
  body_digest: Buffer;
  event: string;
  outcome: "accepted" | "ignored";
  note: string | null;
  repository_id: string | null;
  actor: string | null;
  headers: Json;
  body: Buffer;
  occurred_at: NullableTimestamp;
  received_at: WithDefault<Date>;
  user_id: WithDefault<string | null>;
  token_id: WithDefault<string | null>;
}

export interface IncarnationsTable {
  id: string;
  seq: Generated<number>;
  repository_id: string;
  ref_type: RefType;
  name: string;
  name_key: string;
  state: BranchState;
  suspect: boolean;
  head: string | null;
  previous_names: WithDefault<string[]>;
  merged_into: string | null;
  born_at: Timestamp;
  born_of: "create" | "push" | "sighting";
  ended_at: NullableTimestamp;
  born_group: string | null;
  born_by: string | null;
  ended_group: string | null;
  ended_by: string | null;
  evidence_at: NullableTimestamp;
  updated_at: WithDefault<Date>;
  xid: Generated<string>;
}

interface BranchEventsTable {
  id: Generated<number>;
  xid: Generated<string>;
  delivery_id: string;
  incarnation_id: string | null;
  kind: "checkout" | "create" | "rename" | "delete" | "push";
  ref_type: RefType;
  name: string;
  previous_name: string | null;
  before: string | null;
  after: string | null;
  note: string | null;
  created_at: Generated<Date>;
  replay_id: WithDefault<string | null>;
}

interface IncarnationHeadsTable {
  incarnation_id: string;
  revision: string;
  requested: JsonWithDefault;
  seen_at: WithDefault<Date>;
}

interface PolicyVersionsTable {
  id: string;
  seq: Generated<number>;
  digest: string;
  file: string;
  text: string;
  author: string;
  state: "proposed" | "active" | "held" | "rejected" | "superseded";
  activated_at: NullableTimestamp;
  origin: WithDefault<"file" | "api">;
  proposed_at: WithDefault<Date>;
  reason: WithDefault<string | null>;
  plan: ColumnType<unknown, string | null | undefined, string | null>;
  plan_digest: WithDefault<string | null>;
  planned_at: NullableTimestamp;
  decided_by: WithDefault<string | null>;
  decided_at: NullableTimestamp;
}

interface PolicyBindingsTable {
  reference: string;
  group_id: string | null;
  last_members: JsonWithDefault;
  bound_at: NullableTimestamp;
  updated_at: WithDefault<Date>;
}

interface ScopesTable {
  id: string;
  incarnation_id: string;
  endpoint: string;
  requested: WithDefault<number>;
  requested_at: WithDefault<Date>;
  reason: string;
  reconciled: WithDefault<number>;
  verdict: Verdict | null;
  verdict_at: NullableTimestamp;
  mismatches: JsonWithDefault;
  strict_names: WithDefault<string[]>;
  lease_token: WithDefault<number>;
  lease_holder: string | null;
  lease_until: NullableTimestamp;
  due_at: NullableTimestamp;
  failures: WithDefault<number>;
  created_at: Generated<Date>;
  reference_set_id: WithDefault<number | null>;
  references_stale: WithDefault<boolean>;
  ledger_digest: WithDefault<Buffer | null>;
  pushed: WithDefault<number>;
  due_reason: WithDefault<DueReason | null>;
}

/** Why a scope is due without an event: an expiry, the end of a window (pairing, guards), another try, a second verification. */
export type DueReason = "expiry" | "window" | "retry" | "verify";

interface LedgerEntriesTable {
  id: string;
  seq: Generated<number>;
  scope_id: string;
  incarnation_id: string;
  endpoint: string;
  entitlement: string;
  member: string;
  user_id: string | null;
  origin: "sync" | "adoption" | "drift";
  reasons: JsonWithDefault;
  refs: WithDefault<string[]>;
  policy_version_id: string | null;
  granted_at: Timestamp;
  known_at: Generated<Date>;
  verified_at: NullableTimestamp;
  ending_at: NullableTimestamp;
  ended_at: NullableTimestamp;
  ended_cause: WithDefault<string | null>;
}

interface WithheldRemovalsTable {
  scope_id: string;
  entitlement: string;
  member: string;
  user_id: string | null;
  cause: string;
  sync_id: string;
  since: Generated<Date>;
}

interface ApprovalsTable {
  id: string;
  kind: "sync" | "policy";
  subject: string;
  digest: string;
  approved_by: string;
  approved_at: Generated<Date>;
  expires_at: Timestamp;
}

interface ApprovedRemovalsTable {
  approval_id: string;
  scope_id: string | null;
  entitlement: string | null;
  reference: string | null;
  user_id: string;
}

interface RevocationsTable {
  id: string;
  kind: "user" | "incarnation" | "scope";
  subject: string;
  cause: string;
  requested: WithDefault<number>;
  requested_at: Generated<Date>;
  due_at: WithDefault<Date>;
  attempts: WithDefault<number>;
  total: WithDefault<number | null>;
  outstanding: WithDefault<number | null>;
  last_error: WithDefault<string | null>;
  done_at: NullableTimestamp;
}

interface EntitlementGroupsTable {
  scope_id: string;
  entitlement: string;
  external_id: string;
  display_name: string;
  group_id: string | null;
  sent_members: WithDefault<string[] | null>;
  intended_at: Generated<Date>;
  bound_at: NullableTimestamp;
  audited_at: NullableTimestamp;
}

interface EndpointAuditsTable {
  endpoint: string;
  position: string | null;
  round_started_at: NullableTimestamp;
  previous_round_at: NullableTimestamp;
  finished_at: NullableTimestamp;
  groups: WithDefault<number>;
  differing: WithDefault<number>;
  due_at: Timestamp;
}

interface SyncsTable {
  id: string;
  seq: Generated<number>;
  xid: Generated<string>;
  scope_id: string;
  reason: string;
  requested: number;
  requested_at: Timestamp;
  lease_token: number;
  policy_version_id: string | null;
  started_at: Timestamp;
  finished_at: Timestamp;
  verdict: Verdict;
  mismatches: JsonWithDefault;
  added: number;
  removed: number;
  changes: JsonWithDefault;
  calls: JsonWithDefault;
  error: ColumnType<unknown, string | null, string | null>;
  attempt: WithDefault<number>;
  phases: JsonWithDefault;
  unchanged: WithDefault<Buffer | null>;
  withheld: JsonWithDefault;
  withheld_additions: WithDefault<Buffer | null>;
  over_limit: JsonWithDefault;
  plan_digest: WithDefault<string | null>;
  caused_by: WithDefault<string[]>;
  drift: WithDefault<number>;
}

interface MemberSetsTable {
  digest: Buffer;
  groups: JsonWithDefault;
  created_at: Generated<Date>;
}

interface FindingsTable {
  id: string;
  kind: string;
  subject: string;
  severity: "info" | "warning" | "critical";
  message: string;
  details: JsonWithDefault;
  first_at: Generated<Date>;
  last_at: WithDefault<Date>;
  resolved_at: NullableTimestamp;
  seq: Generated<number>;
  xid: Generated<string>;
}

interface TokensTable {
  id: string;
  client: string;
  scope: TokenScope;
  hash: Buffer;
  hint: string;
  created_at: Generated<Date>;
  expires_at: NullableTimestamp;
  last_used_at: NullableTimestamp;
  revoked_at: NullableTimestamp;
  user_id: WithDefault<string | null>;
  device: WithDefault<string | null>;
}

interface SessionsTable {
  hash: Buffer;
  client: string;
  scope: TokenScope;
  token_id: string | null;
  token_hash: Buffer;
  created_at: Generated<Date>;
  expires_at: Timestamp;
}

interface DeliveryReplaysTable {
  id: string;
  delivery_id: string;
  requested_by: string;
  outcome: "accepted" | "ignored";
  note: string | null;
  scopes: WithDefault<number>;
  created_at: Generated<Date>;
}

/** What a token may be used for; `admin` covers all. */
export type TokenScope = "admin" | "read" | "status" | "scim" | "agent";

interface EndpointStatesTable {
  endpoint: string;
  breaker: WithDefault<"closed" | "open" | "half-open">;
  breaker_since: WithDefault<Date>;
  probe_at: NullableTimestamp;
  blocked_until: NullableTimestamp;
  call_limit: number | null;
  last_error: string | null;
  last_error_at: NullableTimestamp;
  card: ColumnType<unknown, string | null | undefined, string | null>;
  card_at: NullableTimestamp;
  card_error: string | null;
  probe_external_id: string | null;
  retirement: "remove" | "leave" | null;
  retired_at: NullableTimestamp;
  retired_by: string | null;
  updated_at: WithDefault<Date>;
}

interface CursorsTable {
  name: string;
  xid: string;
  id: number;
}

interface ScopeFindingsTable {
  scope_id: string;
  code: string;
  subject: string;
  severity: "info" | "warning" | "critical";
  message: string;
}

export interface Tables extends DirectoryTables, PeopleTables {
  repositories: RepositoriesTable;
  repository_bindings: RepositoryBindingsTable;
  deliveries: DeliveriesTable;
  incarnations: IncarnationsTable;
  branch_events: BranchEventsTable;
  incarnation_heads: IncarnationHeadsTable;
  policy_versions: PolicyVersionsTable;
  policy_bindings: PolicyBindingsTable;
  scopes: ScopesTable;
  entitlement_groups: EntitlementGroupsTable;
  syncs: SyncsTable;
  findings: FindingsTable;
  tokens: TokensTable;
  cursors: CursorsTable;
  member_sets: MemberSetsTable;
  sessions: SessionsTable;
  delivery_replays: DeliveryReplaysTable;
  ledger_entries: LedgerEntriesTable;
  withheld_removals: WithheldRemovalsTable;
  approvals: ApprovalsTable;
  approved_removals: ApprovedRemovalsTable;
  revocations: RevocationsTable;
  endpoint_audits: EndpointAuditsTable;
  scope_findings: ScopeFindingsTable;
  endpoint_states: EndpointStatesTable;
}
