/** Fresh databases for tests, cloned from a migrated template on the server that the test run started. */
import { createHash, randomUUID } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { foldName, type GroupId, type IncarnationId, type UserId } from "@branchward/core";
import pg from "pg";
import { uuidv7 } from "uuidv7";
import { connectDatabase, type Database, type DatabaseConnection, type Queryable } from "./connection/database.ts";
import { insertDelivery, type NewDelivery } from "./deliveries/deliveries.ts";
import { saveIncarnations } from "./branches/incarnations.ts";
import { migrateStore } from "./migrate.ts";
import { ensureScopes, requestScopesOf } from "./scopes/scopes.ts";
import { insertSync, type NewSync } from "./scopes/syncs.ts";

export interface TestDatabase extends DatabaseConnection {
  readonly url: string;
}

const TEMPLATE_LOCK = 7_190_423;

async function templateName(): Promise<string> {
  const dir = join(import.meta.dirname, "..", "migrations");
  const hash = createHash("sha256");
  for (const name of (await readdir(dir)).toSorted()) hash.update(name).update(await readFile(join(dir, name)));
  return `branchward_template_${hash.digest("hex").slice(0, 16)}`;
}

function withDatabase(url: string, database: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
}

async function ensureTemplate(admin: pg.Client, serverUrl: string): Promise<string> {
  const template = await templateName();
  await admin.query("select pg_advisory_lock($1)", [TEMPLATE_LOCK]);
  try {
    const found = await admin.query("select 1 from pg_database where datname = $1", [template]);
    if (found.rowCount === 1) return template;
    const draft = `${template}_draft`;
    await admin.query(`drop database if exists ${draft}`);
    await admin.query(`create database ${draft}`);
    {
      await using connection = connectDatabase({ url: withDatabase(serverUrl, draft), max: 1, onError: rethrow });
      await migrateStore(connection);
    }
    await admin.query(`alter database ${draft} rename to ${template}`);
    return template;
  } finally {
    await admin.query("select pg_advisory_unlock($1)", [TEMPLATE_LOCK]);
  }
}

function rethrow(error: Error): never {
  throw error;
}

/** A new database with all migrations applied, dropped on dispose. Needs BRANCHWARD_TEST_DATABASE_URL of the test run. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const serverUrl = process.env["BRANCHWARD_TEST_DATABASE_URL"];
  if (serverUrl === undefined) throw new Error("BRANCHWARD_TEST_DATABASE_URL is not set; run the tests with npm test");
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  try {
    const template = await ensureTemplate(admin, serverUrl);
    await admin.query("select pg_advisory_lock($1)", [TEMPLATE_LOCK]);
    try {
      await admin.query(`create database ${name} template ${template}`);
    } finally {
      await admin.query("select pg_advisory_unlock($1)", [TEMPLATE_LOCK]);
    }
  } finally {
    await admin.end();
  }
  const url = withDatabase(serverUrl, name);
  const connection = connectDatabase({ url, max: 10, onError: () => undefined });
  return {
    url,
    db: connection.db,
    pool: connection.pool,
    async [Symbol.asyncDispose]() {
      await connection[Symbol.asyncDispose]();
      const client = new pg.Client({ connectionString: serverUrl });
      await client.connect();
      await client.query(`drop database if exists ${name} with (force)`);
      await client.end();
    },
  };
}

/** A live branch of a repository of its own; its incarnation's id. */
export async function insertBranch(db: Database, name: string): Promise<string> {
  const repositoryId = uuidv7();
  await db
    .insertInto("repositories")
    .values({ id: repositoryId, name: `acme/${repositoryId}`, vcs: "git" })
    .execute();
  const id = uuidv7() as IncarnationId;
  await saveIncarnations(db, repositoryId, [
    {
      id,
      refType: "branch",
      name,
      state: "active",
      suspect: false,
      head: "a".repeat(40),
      previousNames: [],
      mergedInto: null,
      bornAt: new Date(),
      bornOf: "create",
      endedAt: null,
      bornGroup: null,
      bornBy: null,
      endedGroup: null,
      endedBy: null,
      evidenceAt: null,
    },
  ]);
  return id;
}

/** An active directory user. */
export async function insertUser(db: Database, userName: string): Promise<UserId> {
  const id = uuidv7() as UserId;
  await db
    .insertInto("directory_users")
    .values({
      id,
      client: "test",
      external_id: null,
      user_name: userName,
      user_name_key: foldName(userName),
      active: true,
      attributes: "{}",
      search_keys: "{}",
    })
    .execute();
  return id;
}

export interface NewTestGroup {
  readonly name: string;
  readonly client: string;
  readonly users?: readonly UserId[];
  readonly groups?: readonly GroupId[];
}

/** A provisioned directory group with its members. */
export async function insertGroup(
  db: Database,
  { name, client, users = [], groups = [] }: NewTestGroup,
): Promise<GroupId> {
  const id = uuidv7() as GroupId;
  await db
    .insertInto("directory_groups")
    .values({
      id,
      kind: "provisioned",
      client,
      external_id: null,
      display_name: name,
      display_key: name.toLowerCase(),
      attributes: "{}",
      search_keys: "{}",
    })
    .execute();
  const members = [
    ...users.map((member) => ({ group_id: id, member_id: member, member_kind: "User" as const })),
    ...groups.map((member) => ({ group_id: id, member_id: member, member_kind: "Group" as const })),
  ];
  if (members.length > 0) await db.insertInto("directory_members").values(members).execute();
  return id;
}

/** A scope of a new branch at an endpoint, asked for once. */
export async function insertScope(
  db: Database,
  { branch, endpoint = "directory" }: { readonly branch: string; readonly endpoint?: string },
): Promise<{ readonly incarnationId: string; readonly scopeId: string }> {
  const incarnationId = await insertBranch(db, branch);
  await ensureScopes(db, incarnationId, [endpoint], "create");
  const [scope] = await requestScopesOf(db, new Map([[incarnationId, "create"]]));
  return { incarnationId, scopeId: scope?.id ?? "" };
}

/** A recorded run that changed nothing and ended now, unless `over` says otherwise; its id. */
export async function insertTestSync(
  db: Queryable,
  scopeId: string,
  { finishedAt, ...over }: Partial<NewSync> & { readonly finishedAt?: Date } = {},
): Promise<string> {
  const id = uuidv7();
  await insertSync(db, {
    id,
    scopeId,
    reason: "push",
    requested: 1,
    requestedAt: new Date(),
    leaseToken: 1,
    attempt: 1,
    policyVersionId: null,
    tookMs: 1,
    verdict: "verified",
    mismatches: [],
    changes: [],
    unchanged: [],
    phases: [],
    calls: [],
    error: null,
    ...over,
  });
  if (finishedAt !== undefined) {
    await db
      .updateTable("syncs")
      .set({ started_at: finishedAt, finished_at: finishedAt })
      .where("id", "=", id)
      .execute();
  }
  return id;
}

/** A recorded delivery without meaning; its id. */
export async function insertTestDelivery(db: Queryable, over: Partial<NewDelivery> = {}): Promise<string> {
  const id = uuidv7();
  await insertDelivery(db, {
    id,
    source: "github",
    deliveryKey: id,
    bodyDigest: Buffer.from(id),
    event: "push",
    outcome: "ignored",
    note: null,
    repositoryId: null,
    actor: null,
    headers: {},
    body: Buffer.from("{}"),
    occurredAt: null,
    ...over,
  });
  return id;
}
