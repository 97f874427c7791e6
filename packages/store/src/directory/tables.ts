import type { JsonObject } from "@branchward/scim";
import type { ColumnType, Generated, GeneratedAlways } from "kysely";

/** jsonb, written as text. */
type Json = ColumnType<JsonObject, string, string>;

interface ResourceTable {
  id: string;
  /** Who provisioned it. */
  client: string;
  external_id: string | null;
  attributes: Json;
  search_keys: Json;
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: ColumnType<Date, Date | undefined, Date>;
}

interface DirectoryResourcesTable extends ResourceTable {
  /** The name of the resource type. */
  type: string;
}

interface DirectoryResourceKeysTable {
  resource_id: string;
  type: string;
  attribute: string;
  digest: string;
}

interface DirectoryClientsTable {
  client: string;
  dialect: "okta" | "entra" | null;
  user_agent: string | null;
  requests: number;
  coercions: ColumnType<Readonly<Record<string, number>>, string, string>;
  first_seen_at: Generated<Date>;
  last_seen_at: ColumnType<Date, Date | undefined, Date>;
}

interface DirectoryCountsTable {
  kind: "user" | GroupKind;
  client: string;
  shard: number;
  total: number;
}

interface DirectoryUsersTable extends ResourceTable {
  user_name: string;
  user_name_key: string;
  active: boolean;
}

interface DirectoryGroupsTable extends ResourceTable {
  kind: GroupKind;
  display_name: string;
  display_key: string;
  incarnation: GeneratedAlways<string | null>;
  entitlement: GeneratedAlways<string | null>;
  /** The highest `Branchward-Fence` seen. */
  fence: ColumnType<number, number | undefined, number>;
}

interface DirectoryMembersTable {
  group_id: string;
  member_id: string;
  member_kind: "User" | "Group";
  added_at: Generated<Date>;
}

interface DirectoryChangesTable {
  id: GeneratedAlways<number>;
  /** xid8 as text. */
  xid: GeneratedAlways<string>;
  kind: string;
  resource_id: string;
  details: Json;
  created_at: Generated<Date>;
}

/** Provisioned by identity providers, or carrying an entitlement (rule C7). */
export type GroupKind = "provisioned" | "entitlement";

/** The tables of the directory, part of the database's. */
export interface DirectoryTables {
  directory_users: DirectoryUsersTable;
  directory_groups: DirectoryGroupsTable;
  directory_members: DirectoryMembersTable;
  directory_changes: DirectoryChangesTable;
  directory_resources: DirectoryResourcesTable;
  directory_resource_keys: DirectoryResourceKeysTable;
  /** A view. */
  directory_entitlements: ResourceTable;
  /** A view. */
  directory_roles: ResourceTable;
  directory_clients: DirectoryClientsTable;
  directory_cursor_keys: { key: Buffer };
  directory_counts: DirectoryCountsTable;
}
