import { randomUUID } from "node:crypto";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createGroupType, createScimProvider, createUserType } from "@branchward/scim";
import {
  addStrictName,
  createActivePolicy,
  createDirectory,
  ensurePolicyScopes,
  keepLastMembers,
  listFindings,
  proposePolicy,
} from "@branchward/store";
import { insertBranch, insertTestDelivery, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createFanOut } from "./fan-out.ts";

const POLICY = `
endpoints:
  - { name: directory, type: builtin }
  - { name: remote, url: "https://scim.example/scim/v2", token: { env: TOKEN } }
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:managers"] }
      - { entitlement: deploy, to: ["user:Bob"], endpoints: [remote] }
      - { entitlement: read, to: ["group:engineering"], when: checkout, for: 8h }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
  - repositories: ["**"]
    branches: ["dev/**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
  - repositories: ["**"]
    branches: ["users/\${user.userName}/**", "teams/\${user.department}/**", "ids/\${user.externalId}/**"]
    grants:
      - { entitlement: push, to: ["group:engineering", "group:managers"] }
`;

const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

describe("a change of the directory", () => {
  const context: { database: TestDatabase; stack: AsyncDisposableStack } = {} as never;
  const branches = new Map<string, string>();
  const ids = new Map<string, string>();

  beforeAll(async () => {
    const stack = new AsyncDisposableStack();
    const database = stack.use(await openTestDatabase());
    Object.assign(context, { database, stack });
    const target = { kind: "postgres", url: database.url } as const;
    await migrateQueue(target);
    const backend = stack.use(openQueueBackend(target, () => undefined));
    const queues = stack.use(createQueues(backend, ["directory", "remote"]));
    const activePolicy = createActivePolicy();
    const fanOut = createFanOut({ db: database.db, queues, activePolicy });
    Object.assign(context, { activePolicy, fanOut });
    const proposed = { text: POLICY, file: "branchward.yaml", author: "tests", origin: "file" } as const;
    await proposePolicy(database.db, ["directory", "remote"], proposed);
    await addUser("alice");
    await addUser("bob");
    await addUser("carol", { [ENTERPRISE]: { department: "payments" } });
    await addGroup("inner", []);
    await addGroup("managers", ["alice"]);
    await addGroup("engineering", ["alice", "carol", "inner"]);
    await addGroup("contractors", []);
    await addGroup("strangers", []);
    for (const name of ["release/1", "release/2", "dev/a", "users/alice/x", "users/carol/x", "teams/payments/x"]) {
      await addBranch(name);
    }
    await listLookedAt();
  });
  afterAll(() => context.stack.disposeAsync());

  const provider = () =>
    createScimProvider({
      store: createDirectory({
        db: context.database.db,
        beforeGroupDeletion: keepLastMembers,
        onCommitted: () => undefined,
      }),
      types: [createUserType(), createGroupType()],
      baseUrl: () => "http://directory.example/scim/v2",
      maxResults: 100,
    });

  async function request(method: string, path: string, body?: object): Promise<string> {
    const response = await provider().handle({
      method,
      path,
      query: new URLSearchParams(),
      headers: {},
      body,
      context: { client: "okta", kind: "provisioning" },
    });
    if (response.status >= 300) throw new Error(`${response.status} ${JSON.stringify(response.body)}`);
    return response.status === 204 ? "" : (response.body as { id: string }).id;
  }

  async function addUser(userName: string, attributes: object = {}): Promise<void> {
    ids.set(userName, await request("POST", "/Users", { schemas: [USER, ENTERPRISE], userName, ...attributes }));
  }

  async function addGroup(displayName: string, members: readonly string[]): Promise<void> {
    const values = members.map((name) => ({ value: ids.get(name) }));
    ids.set(displayName, await request("POST", "/Groups", { schemas: [GROUP], displayName, members: values }));
  }

  const patch = (path: string, ...operations: readonly object[]) =>
    request("PATCH", path, { schemas: [PATCH], Operations: operations });
  const patchUser = (name: string, ...operations: readonly object[]) =>
    patch(`/Users/${ids.get(name) ?? ""}`, ...operations);
  const patchGroup = (name: string, ...operations: readonly object[]) =>
    patch(`/Groups/${ids.get(name) ?? ""}`, ...operations);
  const join = (group: string, member: string) =>
    patchGroup(group, { op: "add", path: "members", value: [{ value: ids.get(member) }] });
  const leave = (group: string, member: string) =>
    patchGroup(group, { op: "remove", path: `members[value eq "${ids.get(member) ?? ""}"]` });

  async function addBranch(name: string): Promise<void> {
    const { db } = context.database;
    const id = await insertBranch(db, name);
    branches.set(name, id);
    const { activePolicy } = context as unknown as { activePolicy: ReturnType<typeof createActivePolicy> };
    await ensurePolicyScopes(db, await activePolicy.find(db), {
      repository: "acme/web",
      incarnation: { id: id as never, name, state: "active" },
      endpoints: ["directory", "remote"],
    });
  }

  async function checkOut(user: string, branch: string): Promise<void> {
    const { pool } = context.database;
    const delivery = await insertTestDelivery(context.database.db, { source: "agents" });
    await pool.query(
      `insert into checkouts (id, repository_id, working_copy, delivery_id, actor, trust, user_id, incarnation_id, ref_type,
         name, name_key, started_at)
       select $1, repository_id, $2, $3, 'x', 'token', $4, id, 'branch', name, name_key, now() from incarnations where id = $5`,
      [uuidv7(), randomUUID(), delivery, ids.get(user), branches.get(branch)],
    );
  }

  /** Runs the fan-out until it has read everything; `branch@endpoint` of what it asked for. */
  async function listLookedAt(): Promise<readonly string[]> {
    const { pool } = context.database;
    const { fanOut } = context as unknown as { fanOut: () => Promise<void> };
    await pool.query("update scopes set reason = 'none'");
    await vi.waitUntil(
      async () => {
        await fanOut();
        const { rows } = await pool.query<{ left: boolean }>(`
          select exists (
            select from directory_changes left join cursors on cursors.name = 'directory'
            where cursors.xid is null or (directory_changes.xid, directory_changes.id) > (cursors.xid, cursors.id)
          ) as left`);
        return rows[0]?.left === false;
      },
      { timeout: 10_000, interval: 5 },
    );
    const { rows } = await pool.query<{ looked: string }>(`
      select incarnations.name || '@' || endpoint as looked
      from scopes join incarnations on incarnations.id = incarnation_id
      where reason = 'directory' order by 1`);
    return rows.map((row) => row.looked);
  }

  const findOf = async (kind: string) =>
    (await listFindings(context.database.db, 100)).filter((finding) => finding.kind === kind);

  const at = (...names: readonly string[]) => names.flatMap((name) => [`${name}@directory`, `${name}@remote`]);

  it("of a group that policy does not name has no scope looked at", async () => {
    await join("strangers", "alice");
    expect(await listLookedAt()).toEqual([]);
  });

  it("of a granted group's members has the scopes looked at that the grant is about, and no other", async () => {
    await join("managers", "bob");
    expect(await listLookedAt()).toEqual(at("release/1", "release/2"));
    await leave("managers", "bob");
    expect(await listLookedAt()).toEqual(at("release/1", "release/2"));
  });

  it("that gives a grant for who checks out concerns only branches on which the user stands", async () => {
    await checkOut("bob", "release/2");
    await join("engineering", "bob");
    expect(await listLookedAt()).toEqual(at("dev/a", "release/2"));
  });

  it("of a denied group concerns only scopes in which a grant reaches the user", async () => {
    await join("contractors", "carol");
    expect(await listLookedAt()).toEqual([]);
    await join("contractors", "alice");
    expect(await listLookedAt()).toEqual(at("release/1", "release/2"));
    await leave("contractors", "alice");
    expect(await listLookedAt()).toEqual(at("release/1", "release/2"));
  });

  it("of a user is looked at where policy names the user, at the endpoints of the grant alone", async () => {
    await patchUser("bob", { op: "replace", path: "active", value: false });
    expect(await listLookedAt()).toEqual(["dev/a@directory", "dev/a@remote", "release/1@remote", ...at("release/2")]);
    await patchUser("bob", { op: "replace", path: "active", value: true });
    expect(await listLookedAt()).toEqual(["dev/a@directory", "dev/a@remote", "release/1@remote", ...at("release/2")]);
  });

  it("of a user concerns the branches that a pattern names for that user, and those it named before", async () => {
    await leave("engineering", "carol");
    expect(await listLookedAt()).toEqual(at("dev/a", "teams/payments/x", "users/carol/x"));
    await join("engineering", "carol");
    await listLookedAt();
    await patchUser("carol", { op: "replace", path: `${ENTERPRISE}:department`, value: "risk" });
    expect(await listLookedAt()).toEqual(at("dev/a", "teams/payments/x", "users/carol/x"));
  });

  it("of an attribute that no pattern names has no scope looked at", async () => {
    await patchUser("carol", { op: "replace", path: "nickName", value: "caz" });
    expect(await listLookedAt()).toEqual([]);
  });

  it("of a group in a group concerns all that the outer one reaches", async () => {
    await checkOut("alice", "release/1");
    await leave("engineering", "inner");
    expect(await listLookedAt()).toEqual(
      at("dev/a", "release/1", "release/2", "teams/payments/x", "users/alice/x", "users/carol/x"),
    );
  });

  it("of a bound group's name tells what the group decides about, until it is called as the policy calls it", async () => {
    await patchGroup("engineering", { op: "replace", path: "displayName", value: "makers" });
    await patchGroup("strangers", { op: "replace", path: "displayName", value: "friends" });
    await listLookedAt();
    const [renamed, ...others] = await findOf("group-renamed");
    expect(others).toEqual([]);
    expect(renamed).toMatchObject({ subject: "group:engineering", severity: "warning" });
    for (const told of [
      "renamed from engineering to makers; the policy still means this group: policy[0].grants[2] (branchward.yaml:11) " +
        "grants read, policy[1].grants[0] (branchward.yaml:17) grants push, policy[2].grants[0] (branchward.yaml:21) grants push",
      "; 12 scopes of 6 branches (",
      "; 3 members (alice, bob, carol).",
      "branchward groups bind group:engineering ID",
    ]) {
      expect(renamed?.message).toContain(told);
    }
    await patchGroup("engineering", { op: "replace", path: "displayName", value: "Engineering" });
    await listLookedAt();
    expect(await findOf("group-renamed")).toEqual([]);
  });

  it("reaches a branch made or renamed since the index was, under the new name and while the former one narrows", async () => {
    const { db, pool } = context.database;
    await addBranch("dev/new");
    await pool.query("update incarnations set name = 'other/a' where id = $1", [branches.get("dev/a")]);
    await addStrictName(db, branches.get("dev/a") ?? "", "dev/a");
    await join("engineering", "inner");
    await leave("engineering", "inner");
    await listLookedAt();
    await leave("engineering", "bob");
    expect(await listLookedAt()).toEqual(at("dev/new", "other/a", "release/2"));
    await pool.query("update scopes set strict_names = '{}', references_stale = true");
    await join("engineering", "bob");
    expect(await listLookedAt()).toEqual(at("dev/new", "release/2"));
  });

  it("of a deleted branch has nothing looked at", async () => {
    const { pool } = context.database;
    await pool.query("update incarnations set state = 'deleted' where id = $1", [branches.get("release/1")]);
    await join("managers", "carol");
    expect(await listLookedAt()).toEqual(at("release/2", "users/carol/x"));
  });

  it("that ends a bound group tells what stands by its last members, by live branches alone", async () => {
    await request("DELETE", `/Groups/${ids.get("contractors") ?? ""}`);
    await listLookedAt();
    const [lost] = await findOf("group-lost");
    expect(lost).toMatchObject({ subject: "group:contractors", severity: "critical" });
    expect(lost?.message).toContain("policy[0].deny[0] (branchward.yaml:13) denies push; 2 scopes of 1 branch (");
    expect(lost?.message).toContain(":release/2); 1 member (carol);");
  });

  it("of a user concerns the branches that were named by as much text as a file's name holds", async () => {
    const long = "d".repeat(255);
    await addUser("dora", { [ENTERPRISE]: { department: long } });
    await addBranch(`teams/${long}/x`);
    await join("engineering", "dora");
    await listLookedAt();
    await patchUser("dora", { op: "replace", path: `${ENTERPRISE}:department`, value: "risk" });
    expect(await listLookedAt()).toEqual(at("dev/new", `teams/${long}/x`));
  });

  it("of the id that the identity provider gave a user concerns the branches that either names, and no more", async () => {
    await addUser("erin", { externalId: "00u1" });
    for (const name of ["ids/00u1/x", "ids/00u2/x", "ids/00u3/x"]) await addBranch(name);
    await join("engineering", "erin");
    expect(await listLookedAt()).toEqual(at("dev/new", "ids/00u1/x"));
    await patchUser("erin", { op: "replace", path: "externalId", value: "00u2" });
    expect(await listLookedAt()).toEqual(at("dev/new", "ids/00u1/x", "ids/00u2/x"));
    await patchUser("erin", { op: "remove", path: "externalId" });
    expect(await listLookedAt()).toEqual(at("dev/new", "ids/00u2/x"));
    await patchUser("erin", { op: "add", path: "externalId", value: "00u3" });
    expect(await listLookedAt()).toEqual(at("dev/new", "ids/00u3/x"));
    await request("DELETE", `/Users/${ids.get("erin") ?? ""}`);
    expect(await listLookedAt()).toEqual(at("dev/new", "ids/00u3/x"));
  });
});
