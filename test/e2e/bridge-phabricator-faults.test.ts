import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BridgeUnderTest, entitlementBody, startTestBridge } from "../support/bridge.ts";
import { type ConduitStandIn, startConduitStandIn } from "../support/conduit-stand-in.ts";
import { addRepository, addUser, type StandInUser } from "../support/conduit-stand-in-world.ts";

const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const ACCOUNT = "urn:branchward:scim:schemas:extension:1.0:PhabricatorAccount";

describe("a bridge in front of a Phabricator that fails", () => {
  let stack: AsyncDisposableStack;
  let directory: string;
  let server: ConduitStandIn;
  let scim: BridgeUnderTest;

  const start = () =>
    startTestBridge({
      directory,
      section: `phabricator:\n  url: ${server.url}\n  token: { file: ${join(directory, "conduit")} }\n`,
    });
  const newUser = (userName: string) => ({ schemas: [USER], userName, emails: [{ value: `${userName}@example.com` }] });
  const setActive = (id: string, value: boolean) =>
    scim.patch(`/Users/${id}`, { op: "replace", path: "active", value });
  const accountOf = (name: string): StandInUser | undefined =>
    server.world.users.find(({ userName }) => userName === name);
  const projectsNamed = (name: string) => server.world.projects.filter((project) => project.name === name);
  const governed = entitlementBody({ repository: "acme/web", branch: "main", vcs: "git" }, []);

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    directory = await mkdtemp(join(tmpdir(), "branchward-phabricator-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    server = stack.use(await startConduitStandIn());
    addRepository(server.world, "acme/web", 1);
    await writeFile(join(directory, "conduit"), server.token);
    scim = await start();
    stack.defer(() => scim[Symbol.asyncDispose]());
  });

  afterEach(() => stack.disposeAsync());

  it("makes one project, one user and one member of each, whatever answers get lost", async () => {
    server.fail("project.edit", "deadlock", "lost-answer");
    server.fail("branchward.user.create", "deadlock", "lost-answer");
    const id = await scim.addUser("alice", { emails: [{ value: "alice@example.com" }] });
    const group = await scim.addGroup("Team");
    server.fail("project.edit", "lost-answer", "deadlock");
    const added = await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value: [{ value: id }] });
    expect(added).toMatchObject({ status: 200, json: { members: [{ value: id }] } });
    expect(server.world.users.map(({ userName }) => userName)).toEqual(["admin", "alice"]);
    expect(projectsNamed("Team").map(({ members }) => [...members])).toEqual([[id]]);
  });

  it("says that an outcome is unknown where it cannot be told, and finds the project at the next look", async () => {
    server.fail("project.edit", "lost-answer");
    server.after("project.edit", () => server.fail("project.search", "deadlock", "deadlock", "deadlock", "deadlock"));
    const answer = await scim.request("POST", "/Groups", governed);
    expect(answer).toMatchObject({ status: 503 });
    expect(answer.json["detail"]).toContain("whether the change was made is unknown");
    await scim.bridge.audit();
    const filter = encodeURIComponent(`externalId eq "${String(governed["externalId"])}"`);
    const { json } = await scim.request("GET", `/Groups?filter=${filter}`);
    expect(json).toMatchObject({ totalResults: 1, Resources: [{ displayName: governed["displayName"] }] });
    expect(server.world.rules).toMatchObject([{ ref: "main", isDisabled: false }]);
  });

  it("leaves nothing that looks like a limit when the rule cannot be made", async () => {
    server.fail("branchward.rule.edit", "deadlock", "deadlock", "deadlock", "deadlock");
    expect(await scim.request("POST", "/Groups", governed)).toMatchObject({ status: 503 });
    expect(server.world.projects).toMatchObject([{ isArchived: true }]);
    // The name is free again.
    expect(await scim.request("POST", "/Groups", governed)).toMatchObject({ status: 201 });
  });

  it("disables again where the server itself has undone it", async () => {
    const id = await scim.addUser("alice", { emails: [{ value: "alice@example.com" }] });
    // Composing a user's image saves the user as it was when loaded.
    server.after("user.edit", () => Object.assign(accountOf("alice") ?? {}, { isDisabled: false }));
    expect(await setActive(id, false)).toMatchObject({ status: 200, json: { active: false } });
    expect(accountOf("alice")).toMatchObject({ isDisabled: true });
  });

  it("does not say that a user is inactive while the server says otherwise", async () => {
    const id = await scim.addUser("alice", { emails: [{ value: "alice@example.com" }] });
    for (let round = 0; round < 5; round += 1)
      server.after("user.edit", () => Object.assign(accountOf("alice") ?? {}, { isDisabled: false }));
    const answer = await setActive(id, false);
    expect(answer).toMatchObject({ status: 503 });
    expect(answer.json["detail"]).toContain("reads back otherwise");
    expect((await scim.request("GET", `/Users/${id}`)).json).toMatchObject({ active: true });
  });

  it("disables a user at once although the rest of the change is refused", async () => {
    addUser(server.world, { userName: "bob" });
    const id = await scim.addUser("alice", { emails: [{ value: "alice@example.com" }] });
    const emails = [{ value: "bob@example.com", primary: true }];
    const answer = await scim.patch(`/Users/${id}`, { op: "replace", value: { active: false, emails } });
    expect(answer).toMatchObject({ status: 409, json: { scimType: "uniqueness" } });
    expect(accountOf("alice")).toMatchObject({ isDisabled: true, email: "alice@example.com" });
  });

  it("takes nothing for gone that it could not read", async () => {
    for (let index = 0; index < 120; index += 1) addUser(server.world, { userName: `user${index}` });
    await scim.bridge.audit();
    const count = async () => (await scim.request("GET", "/Users?count=0")).json["totalResults"];
    expect(await count()).toBe(121);
    server.extension = "broken";
    await expect(scim.bridge.audit()).rejects.toThrow("Phabricator failed");
    server.extension = "installed";
    expect(await count()).toBe(121);
    const page = await scim.request("GET", "/Users?startIndex=101&count=50");
    expect(page.json["Resources"]).toHaveLength(21);
  });

  it("begins with what it knew while the server is away, and with nothing where it knows nothing", async () => {
    const id = await scim.addGroup("Team");
    await scim[Symbol.asyncDispose]();
    server.extension = "broken";
    scim = await start();
    expect(scim.bridge.problems()).toContainEqual(expect.stringContaining("could not be looked at"));
    expect(await scim.request("GET", `/Groups/${id}`)).toMatchObject({ status: 503 });
    await scim[Symbol.asyncDispose]();
    await rm(join(directory, "state"), { recursive: true });
    await expect(start()).rejects.toThrow("PHP Parse error");
    server.extension = "installed";
    scim = await start();
    expect(await scim.request("GET", `/Groups/${id}`)).toMatchObject({ status: 200, json: { displayName: "Team" } });
  });

  it("links a waiting user only to an account that has proved its address", async () => {
    server.extension = "missing";
    const { json } = await scim.request("POST", "/Users", newUser("judy"));
    const path = `/Users/${String(json["id"])}`;
    const account = addUser(server.world, { userName: "judy", email: "stranger@example.com" });
    const problem = expect.stringContaining("has not proved the address");
    expect(await scim.bridge.audit()).toContainEqual(problem);
    Object.assign(account, { email: "judy@example.com", isEmailVerified: false });
    expect(await scim.bridge.audit()).toContainEqual(problem);
    expect((await scim.request("GET", path)).json).toMatchObject({
      active: false,
      [ACCOUNT]: { state: "pending-link" },
    });
    account.isEmailVerified = true;
    expect(await scim.bridge.audit()).toEqual([]);
    expect((await scim.request("GET", path)).json).toMatchObject({ active: true, [ACCOUNT]: { phid: account.phid } });
  });

  it("leaves the approval of a linked account to people, and disables one that was deactivated while it waited", async () => {
    server.extension = "missing";
    const { json } = await scim.request("POST", "/Users", newUser("judy"));
    const id = String(json["id"]);
    const account = addUser(server.world, { userName: "judy", isApproved: false });
    await setActive(id, false);
    await scim.bridge.audit();
    expect(account).toMatchObject({ isDisabled: true, isApproved: false });
    expect((await scim.request("GET", `/Users/${id}`)).json).toMatchObject({
      active: false,
      [ACCOUNT]: { state: "linked" },
    });
  });

  it("lets an older lease write nothing", async () => {
    const { json } = await scim.request("POST", "/Groups", governed, { "branchward-fence": "7" });
    const path = `/Groups/${String(json["id"])}`;
    const stale = await scim.request("DELETE", path, undefined, { "branchward-fence": "6" });
    expect(stale).toMatchObject({ status: 412 });
    expect((await scim.request("DELETE", path, undefined, { "branchward-fence": "8" })).status).toBe(204);
    expect(server.world.rules).toMatchObject([{ isDisabled: true }]);
  });

  it("shows and removes members that Phabricator took although there is nobody of that PHID", async () => {
    const id = await scim.addGroup("Team");
    server.world.projects[0]?.members.add("PHID-USER-nobody");
    const { json } = await scim.request("GET", `/Groups/${id}`);
    expect(json).toMatchObject({ members: [{ value: "PHID-USER-nobody" }] });
    await scim.patch(`/Groups/${id}`, { op: "remove", path: 'members[value eq "PHID-USER-nobody"]' });
    expect(server.world.projects[0]?.members.size).toBe(0);
  });

  it("restores a rule to which somebody gave other conditions", async () => {
    await scim.request("POST", "/Groups", governed);
    const [rule] = server.world.rules;
    Object.assign(rule ?? {}, { isIntact: false });
    expect(await scim.bridge.audit()).toContainEqual(expect.stringContaining("did not stand; restored"));
    expect(rule).toMatchObject({ isIntact: true, isDisabled: false, ref: "main" });
  });

  it("restores no rule of a group that is deleted while somebody asks for it: the branch would be closed for good", async () => {
    const { json } = await scim.request("POST", "/Groups", governed);
    const filter = encodeURIComponent(`externalId eq "${String(governed["externalId"])}"`);
    const asked: ReturnType<typeof scim.request>[] = [];
    // The rule has just been given up, and the group is still to go.
    server.after("branchward.rule.edit", () => void asked.push(scim.request("GET", `/Groups?filter=${filter}`)));
    expect((await scim.request("DELETE", `/Groups/${String(json["id"])}`)).status).toBe(204);
    expect(await Promise.all(asked)).toMatchObject([{ status: 200 }]);
    expect(server.world.rules).toMatchObject([{ isDisabled: true }]);
  });

  it("makes no project of a name that Phabricator does not take, or that hides something", async () => {
    const long = { schemas: [GROUP], displayName: "x".repeat(129) };
    expect(await scim.request("POST", "/Groups", long)).toMatchObject({
      status: 400,
      json: { scimType: "invalidValue" },
    });
    const hidden = { schemas: [GROUP], displayName: "Team\u202Ex" };
    expect(await scim.request("POST", "/Groups", hidden)).toMatchObject({ status: 400 });
    const unnamed = { schemas: [GROUP], displayName: "!!!" };
    expect(await scim.request("POST", "/Groups", unnamed)).toMatchObject({ status: 400 });
    expect(server.world.projects).toEqual([]);
  });
});
