import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type IdentitySource, noteActor, resolveActor } from "./actors.ts";
import { listFindings } from "../scopes/findings.ts";
import { deleteLink, upsertLink } from "./identity-links.ts";
import { insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";

const agents: IdentitySource = { name: "agents", type: "agent", identity: { attribute: "userName", match: "key" } };
const github: IdentitySource = { name: "github", type: "github", identity: { attribute: "userName", match: "key" } };
const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

describe("whom an actor means (rules B5, B6)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => void (context.database = await openTestDatabase()));
  afterAll(() => context.database[Symbol.asyncDispose]());

  /** A user with attributes, and keys as the directory makes them for text that is not case-sensitive. */
  async function insertWith(userName: string, attributes: object, over: { active?: boolean } = {}) {
    const { db } = context.database;
    const id = await insertUser(db, userName);
    const text = JSON.stringify(attributes);
    await db
      .updateTable("directory_users")
      .set({ attributes: text, search_keys: text.toLowerCase().replace(ENTERPRISE.toLowerCase(), ENTERPRISE), ...over })
      .where("id", "=", id)
      .execute();
    return id;
  }
  const resolve = async (source: IdentitySource, key: string, email: string | null = null) =>
    (await resolveActor(context.database.db, { source, actor: { key, email } })).userName;

  it("is the user of that userName, whatever its case", async () => {
    await insertUser(context.database.db, "alice");
    expect(await resolve(github, "alice")).toBe("alice");
    expect(await resolve(github, "Alice")).toBe("alice");
    expect(await resolve(github, "alic")).toBeNull();
  });

  it("is for an agent also the one active user of that e-mail, and of several none", async () => {
    await insertWith("mail-one", { emails: [{ value: "one@example.com" }] });
    await insertWith("mail-two", { emails: [{ value: "twice@example.com" }] });
    await insertWith("mail-three", { emails: [{ value: "twice@example.com" }] });
    expect(await resolve(agents, "One", "One@Example.com")).toBe("mail-one");
    expect(await resolve(agents, "one@example.com")).toBe("mail-one");
    expect(await resolve(agents, "somebody", "twice@example.com")).toBeNull();
    expect(await resolve(github, "one@example.com")).toBeNull();
  });

  it("is for another attribute the one user with exactly that value", async () => {
    const source: IdentitySource = { ...github, identity: { attribute: "nickName", match: "key" } };
    await insertWith("nick", { nickname: "x", nickName: "OctoNick" });
    await context.database.db
      .updateTable("directory_users")
      .set({ search_keys: JSON.stringify({ nickName: "octonick" }) })
      .where("user_name", "=", "nick")
      .execute();
    expect(await resolve(source, "OctoNick")).toBe("nick");
    expect(await resolve(source, "octonick")).toBeNull();
    expect(await resolve(source, "nick")).toBeNull();
  });

  it("is found by an attribute of the enterprise extension, and by the actor's e-mail where that is to match", async () => {
    const source: IdentitySource = { ...github, identity: { attribute: "employeeNumber", match: "key" } };
    await insertWith("employee", { [ENTERPRISE]: { employeeNumber: "e77" } });
    await context.database.db
      .updateTable("directory_users")
      .set({ search_keys: JSON.stringify({ [ENTERPRISE]: { employeeNumber: "e77" } }) })
      .where("user_name", "=", "employee")
      .execute();
    expect(await resolve(source, "e77")).toBe("employee");
    const byMail: IdentitySource = { ...github, identity: { attribute: "emails", match: "email" } };
    await insertWith("byMail", { emails: [{ value: "by@example.com" }] });
    expect(await resolve(byMail, "octocat", "by@example.com")).toBe("byMail");
    expect(await resolve(byMail, "by@example.com")).toBeNull();
  });

  it("is by a link whom the link names, byte for byte", async () => {
    const { db } = context.database;
    const userId = await insertUser(db, "linked");
    await upsertLink(db, { source: "github", actor: "octocat", userId, linkedBy: "admin" });
    expect(await resolve(github, "octocat")).toBe("linked");
    expect(await resolve(github, "OctoCat")).toBeNull();
    expect(await resolve(agents, "octocat")).toBeNull();
    await deleteLink(db, "github", "octocat");
    expect(await resolve(github, "octocat")).toBeNull();
  });

  it("is nobody while the link and the identity rule disagree", async () => {
    const { db } = context.database;
    const userId = await insertUser(db, "robert");
    await upsertLink(db, { source: "github", actor: "bob", userId, linkedBy: "admin" });
    expect(await resolve(github, "bob")).toBe("robert");
    await insertUser(db, "bob");
    const resolution = await resolveActor(db, { source: github, actor: { key: "bob", email: null } });
    expect(resolution).toMatchObject({ state: "disputed", userId: null });
  });

  it("is told to be deactivated, not to be unknown", async () => {
    await insertWith("gone", {}, { active: false });
    const resolution = await resolveActor(context.database.db, { source: github, actor: { key: "gone", email: null } });
    expect(resolution).toMatchObject({ state: "inactive", userName: "gone" });
  });

  it("stands as a finding with its fix while it is unknown, once for each actor", async () => {
    const { db } = context.database;
    const note = async () => {
      const resolution = await resolveActor(db, { source: github, actor: { key: "dependabot[bot]", email: null } });
      await noteActor(db, { source: "github", actor: "dependabot[bot]", resolution });
      return (await listFindings(db, 100)).filter(({ kind }) => kind === "unknown-actor");
    };
    await note();
    const [only, second] = await note();
    expect(only).toMatchObject({ subject: "github: dependabot[bot]", severity: "info" });
    expect(only?.message).toContain('branchward links set github "dependabot[bot]" USER');
    expect(second).toBeUndefined();
    await insertUser(db, "dependabot[bot]");
    expect(await note()).toEqual([]);
  });
});
