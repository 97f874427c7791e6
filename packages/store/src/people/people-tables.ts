/** Tables about who people are, and about what is given or suspended for a moment. */
import type { RefType, Trust } from "@branchward/core";
import type { ColumnType, Generated } from "kysely";

type Timestamp = ColumnType<Date, Date, Date>;
type NullableTimestamp = ColumnType<Date | null, Date | null | undefined, Date | null>;
type WithDefault<T> = ColumnType<T, T | undefined, T>;

interface IdentityLinksTable {
  source: string;
  actor: string;
  user_id: string;
  linked_by: string;
  linked_at: WithDefault<Date>;
}

interface EnrolmentCodesTable {
  id: string;
  hash: Buffer;
  user_id: string;
  device: string;
  token_days: number;
  made_by: string;
  created_at: Generated<Date>;
  expires_at: Timestamp;
  used_at: NullableTimestamp;
  token_id: string | null;
}

interface EmergencyGrantsTable {
  id: string;
  seq: Generated<number>;
  user_id: string;
  entitlement: string;
  incarnation_id: string;
  state: "requested" | "approved" | "expired" | "revoked" | "rejected";
  for_ms: number;
  reason: string;
  requested_by: string;
  requested_at: WithDefault<Date>;
  decided_by: WithDefault<string | null>;
  decided_at: NullableTimestamp;
  expires_at: NullableTimestamp;
  ended_by: WithDefault<string | null>;
  ended_at: NullableTimestamp;
}

interface HoldsTable {
  id: string;
  seq: Generated<number>;
  repository_id: string;
  incarnation_id: string | null;
  endpoint: string | null;
  reason: string;
  made_by: string;
  made_at: WithDefault<Date>;
  until_at: Timestamp;
  ended_by: WithDefault<string | null>;
  ended_at: NullableTimestamp;
  settled_at: NullableTimestamp;
}

interface CheckoutsTable {
  id: string;
  repository_id: string;
  working_copy: string;
  delivery_id: string;
  actor: string;
  trust: Trust;
  user_id: string | null;
  incarnation_id: string | null;
  ref_type: RefType;
  name: string;
  name_key: string;
  started_at: Timestamp;
  ended_at: NullableTimestamp;
}

export interface PeopleTables {
  checkouts: CheckoutsTable;
  identity_links: IdentityLinksTable;
  enrolment_codes: EnrolmentCodesTable;
  emergency_grants: EmergencyGrantsTable;
  holds: HoldsTable;
}
