import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type BridgeUnderTest, ENTITLEMENT, entitlementBody, SSH_KEYS } from "../support/bridge.ts";
import { listPhabricatorServers, type PhabricatorUnderTest } from "../support/phabricator.ts";
import { openPhabricatorStory, type PhabricatorStory } from "../support/phabricator-story.ts";
import { makeKeyPair } from "../support/test-servers.ts";

const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const USER = "urn:ietf:params:scim:schemas:core:2.0:User";

describe.each(listPhabricatorServers(process.env))("a bridge in front of $name", ({ open, hasSsh }) => {
  let story: PhabricatorStory;
  let server: PhabricatorUnderTest;
  let scim: BridgeUnderTest;
  let run: string;

  beforeAll(async () => {
    story = await openPhabricatorStory(open);
    ({ server, scim, run } = story);
    for (const person of ["alice", "bob"]) await story.addPerson(person);
  });

  afterAll(() => story[Symbol.asyncDispose]());

  const idOf = (person: string): string => story.idOf(person);
  const accountOf = (person: string): string => story.accountOf(person);
  const branchOf = (name: string): string => story.branchOf(name);
  /** What `listMembers` gives where both sides hold these people. */
  const both = (people: readonly string[]) => {
    const ids = people.map(idOf).toSorted();
    return { scim: ids, server: ids };
  };

  it("lets a governed branch be pushed by the members of its group alone, from the next push on", async () => {
    const branch = branchOf("release/1.0");
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: true });
    const id = await story.govern(branch, ["alice"]);
    expect(await story.push("alice", branch)).toMatchObject({ isAccepted: true });
    expect(await story.push("bob", branch)).toMatchObject({
      isAccepted: false,
      output: expect.stringContaining(`pushing to ${branch}`),
    });
    await scim.patch(`/Groups/${id}`, { op: "add", path: "members", value: [{ value: idOf("bob") }] });
    expect(await story.listMembers(id)).toEqual(both(["alice", "bob"]));
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: true });
    await scim.patch(`/Groups/${id}`, { op: "remove", path: `members[value eq "${idOf("bob")}"]` });
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: false });
    expect((await scim.request("DELETE", `/Groups/${id}`)).status).toBe(204);
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: true });
  });

  it("closes a governed branch to everybody while its group is empty", async () => {
    const branch = branchOf("empty");
    await story.govern(branch, []);
    expect(await story.push("alice", branch)).toMatchObject({ isAccepted: false });
  });

  it("limits exactly the branch of the name, and none that is like it", async () => {
    await story.govern(branchOf("v1.0"), ["alice"]);
    expect(await story.push("bob", branchOf("v1.0"))).toMatchObject({ isAccepted: false });
    for (const other of [branchOf("v1x0"), branchOf("V1.0"), `${branchOf("v1.0")}/x`, `x/${branchOf("v1.0")}`])
      expect(await story.push("bob", other)).toMatchObject({ isAccepted: true });
  });

  it("follows a branch that was renamed", async () => {
    const before = branchOf("old");
    const after = branchOf("new");
    const id = await story.govern(before, ["alice"]);
    const { displayName } = (await scim.request("GET", `/Groups/${id}`)).json;
    const answer = await scim.patch(
      `/Groups/${id}`,
      { op: "replace", path: "displayName", value: `${after}:push` },
      { op: "replace", path: `${ENTITLEMENT}:branch`, value: after },
    );
    expect(answer.status).toBe(200);
    expect(await story.push("bob", after)).toMatchObject({ isAccepted: false });
    expect(await story.push("alice", after)).toMatchObject({ isAccepted: true });
    expect(await story.push("bob", before)).toMatchObject({ isAccepted: true });
    // The hashtag of the former name is free for another project.
    await scim.addGroup(String(displayName));
  });

  it("denies a deactivated user at the next push, and lets a reactivated one in again", async () => {
    const active = (value: boolean) => scim.patch(`/Users/${idOf("bob")}`, { op: "replace", path: "active", value });
    expect((await active(false)).json).toMatchObject({ active: false });
    expect(await story.push("bob", branchOf("feature"))).toMatchObject({ isAccepted: false });
    expect((await active(true)).json).toMatchObject({ active: true });
    expect(await story.push("bob", branchOf("feature"))).toMatchObject({ isAccepted: true });
  });

  it.runIf(hasSsh)("holds by SSH what it holds by HTTP (PHORGE_SSH says where that is)", async () => {
    const person = { userName: accountOf("sam"), branch: branchOf("by-ssh") };
    const key = await makeKeyPair(join(story.directory, "sam"));
    const keys = [{ value: (await readFile(`${key}.pub`, "utf8")).trim() }];
    const push = async (branch = person.branch) => server.pushBySsh?.({ key, branch });
    expect(await push()).toMatchObject({ isAccepted: false, output: expect.stringContaining("Permission denied") });
    const emails = [{ value: `${person.userName}@example.com`, primary: true }];
    const id = await scim.addUser(person.userName, { emails, [SSH_KEYS]: { keys } });
    expect(await push()).toMatchObject({ isAccepted: true });
    const group = await story.govern(person.branch, ["alice"]);
    expect(await push()).toMatchObject({ isAccepted: false, output: expect.stringContaining("pushing to") });
    expect(await push(branchOf("by-ssh-too"))).toMatchObject({ isAccepted: true });
    await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value: [{ value: id }] });
    expect(await push()).toMatchObject({ isAccepted: true });
    await scim.patch(`/Groups/${group}`, { op: "remove", path: `members[value eq "${id}"]` });
    expect(await push()).toMatchObject({ isAccepted: false });
    await scim.request("DELETE", `/Groups/${group}`);
    const write = (op: string, path: string, value?: unknown) => scim.patch(`/Users/${id}`, { op, path, value });
    expect(await write("replace", "active", false)).toMatchObject({ status: 200 });
    expect(await push()).toMatchObject({ isAccepted: false, output: expect.stringContaining("SSH sessions") });
    // As Branchward's worker closes an account, and opens it again: a revoked key could never come back.
    const closed = await write("remove", `${SSH_KEYS}:keys`);
    expect(closed.json).not.toHaveProperty([SSH_KEYS]);
    expect((await scim.request("GET", `/Users/${id}`)).json).not.toHaveProperty([SSH_KEYS]);
    await write("replace", `${SSH_KEYS}:keys`, keys);
    expect(await write("replace", "active", true)).toMatchObject({ status: 200, json: { active: true } });
    expect(await push()).toMatchObject({ isAccepted: true });
    const other = await makeKeyPair(join(story.directory, "sam-2"));
    await write("replace", `${SSH_KEYS}:keys`, [{ value: (await readFile(`${other}.pub`, "utf8")).trim() }]);
    expect(await push()).toMatchObject({ isAccepted: false, output: expect.stringContaining("Permission denied") });
  });

  it("renames and re-mails an account, whose memberships and password stay", async () => {
    await story.addPerson("carol");
    const id = await story.govern(branchOf("carols"), ["carol"]);
    const value = {
      userName: accountOf("carola"),
      displayName: "Carola",
      "emails[primary eq true].value": `carola-${run}@example.com`,
    };
    // Paths as keys are Entra ID's way, which wants no body back.
    expect(await scim.patch(`/Users/${idOf("carol")}`, { op: "replace", value })).toMatchObject({ status: 204 });
    expect((await scim.request("GET", `/Users/${idOf("carol")}`)).json).toMatchObject({
      userName: accountOf("carola"),
      displayName: "Carola",
    });
    const pushed = await server.push({
      account: accountOf("carola"),
      password: story.passwordOf("carol"),
      branch: branchOf("carols"),
    });
    expect(pushed.isAccepted).toBe(true);
    expect(await story.listMembers(id)).toEqual(both(["carol"]));
    const again = { schemas: [USER], userName: accountOf("dora"), emails: [{ value: `CAROLA-${run}@example.com` }] };
    expect(await scim.request("POST", "/Users", again)).toMatchObject({
      status: 409,
      json: { scimType: "uniqueness" },
    });
  });

  it("takes a name once, whatever its case, also from many at once", async () => {
    const body = (userName: string, address: string) => ({
      schemas: [USER],
      userName,
      emails: [{ value: `${address}-${run}@example.com` }],
    });
    const names = [accountOf("erin"), accountOf("ERIN"), accountOf("Erin"), accountOf("erin"), accountOf("erin")];
    const answers = await Promise.all(
      names.map((name, index) => scim.request("POST", "/Users", body(name, `erin${index}`))),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(4);
  });

  it.each(["a\nb", "a,b", "@a", "a@b", "!a", "a=b", "a#b", "[a", "a b", "аlice", "a.", "a+b", ""])(
    "makes no account of %j",
    async (userName) => {
      const answer = await scim.request("POST", "/Users", {
        schemas: [USER],
        userName,
        emails: [{ value: `x-${run}@example.com` }],
      });
      expect(answer).toMatchObject({ status: 400, json: { scimType: "invalidValue" } });
    },
  );

  it("makes projects that nobody but an administrator may edit or join", async () => {
    const id = await scim.addGroup(`Team ${run}`, [idOf("alice")]);
    expect(await story.findProject(id)).toMatchObject({ fields: { policy: { edit: "admin", join: "admin" } } });
    expect(await story.listMembers(id)).toEqual(both(["alice"]));
  });

  it("refuses members that are not there, before it writes anything", async () => {
    const stranger = "PHID-USER-nonesuchnonesuchnone";
    const body = { schemas: [GROUP], displayName: `Strangers ${run}`, members: [{ value: stranger }] };
    expect(await scim.request("POST", "/Groups", body)).toMatchObject({
      status: 400,
      json: { scimType: "invalidValue" },
    });
    const filter = encodeURIComponent(`displayName eq "Strangers ${run}"`);
    await scim.bridge.audit();
    expect((await scim.request("GET", `/Groups?filter=${filter}`)).json).toMatchObject({ totalResults: 0 });
    const id = await scim.addGroup(`Acquaintances ${run}`, [idOf("alice")]);
    const added = { op: "add", path: "members", value: [{ value: idOf("bob") }, { value: stranger }] };
    expect(await scim.patch(`/Groups/${id}`, added)).toMatchObject({ status: 400 });
    expect(await story.listMembers(id)).toEqual(both(["alice"]));
  });

  it("names the project that has a hashtag already", async () => {
    await scim.addGroup(`Twin one ${run}`);
    const answer = await scim.request("POST", "/Groups", { schemas: [GROUP], displayName: `twin  ONE_${run}` });
    expect(answer).toMatchObject({ status: 409, json: { scimType: "uniqueness" } });
    expect(answer.json["detail"]).toContain(`Twin one ${run}`);
  });

  it.each([
    ["read", "no rule per branch"],
    ["deploy", "no rule per branch"],
  ])("says that it cannot enforce %s on a branch", async (entitlement, reason) => {
    const body = entitlementBody({ repository: server.repository, branch: branchOf("x"), entitlement, vcs: "git" }, []);
    const answer = await scim.request("POST", "/Groups", body);
    expect(answer).toMatchObject({ status: 400, json: { scimType: "invalidValue" } });
    expect(answer.json["detail"]).toContain(reason);
  });

  it("refuses to limit a branch of an unknown repository, and of one whose pushes Herald would not see", async () => {
    const missing = entitlementBody({ repository: `acme/none-${run}`, branch: "main", vcs: "git" }, []);
    expect(await scim.request("POST", "/Groups", missing)).toMatchObject({ status: 400 });
    const empty = entitlementBody({ repository: server.emptyRepository, branch: "main", vcs: "git" }, []);
    const answer = await scim.request("POST", "/Groups", empty);
    expect(answer.status).toBe(400);
    expect(answer.json["detail"]).toContain("imported");
    // Nothing is left that looks like a limit.
    const filter = encodeURIComponent(`externalId eq "${String(empty["externalId"])}"`);
    expect((await scim.request("GET", `/Groups?filter=${filter}`)).json).toMatchObject({ totalResults: 0 });
  });

  it("shows what was changed at the server itself, and puts right what loosens a limit", async () => {
    const branch = branchOf("guarded");
    const id = await story.govern(branch, ["alice"]);
    const transactions = [
      { type: "members.add", value: [idOf("bob")] },
      { type: "edit", value: "users" },
    ];
    await server.call("project.edit", { objectIdentifier: id, transactions });
    expect(await story.listMembers(id)).toEqual(both(["alice", "bob"]));
    expect(await scim.bridge.audit()).toContainEqual(expect.stringContaining("closed again"));
    expect(await story.findProject(id)).toMatchObject({ fields: { policy: { edit: "admin" } } });
    await scim.patch(`/Groups/${id}`, { op: "remove", path: `members[value eq "${idOf("bob")}"]` });

    const { name, repository } = await story.findRule(id);
    const off = { name, repository, refType: "branch", ref: branch, project: id, message: "off", disabled: true };
    await server.call("branchward.rule.edit", off);
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: true });
    expect((await scim.request("GET", `/Groups/${id}`)).status).toBe(200);
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: false });
  });

  it("finds an account that was made at the server meanwhile", async () => {
    const userName = accountOf("frank");
    await server.call("branchward.user.create", { userName, email: `${userName}@example.com`, realName: "Frank" });
    const filter = encodeURIComponent(`userName eq "${userName.toUpperCase()}"`);
    const { json } = await scim.request("GET", `/Users?filter=${filter}`);
    expect(json).toMatchObject({ totalResults: 1, Resources: [{ userName, displayName: "Frank", active: true }] });
  });

  it("disables a deleted user, takes it out of every group, and gives its name to nobody", async () => {
    await story.addPerson("gone");
    const team = await scim.addGroup(`Leavers ${run}`, [idOf("gone"), idOf("alice")]);
    expect((await scim.request("DELETE", `/Users/${idOf("gone")}`)).status).toBe(204);
    expect((await scim.request("GET", `/Users/${idOf("gone")}`)).status).toBe(404);
    expect(await story.listMembers(team)).toEqual(both(["alice"]));
    expect(await story.push("gone", branchOf("feature"))).toMatchObject({ isAccepted: false });
    const again = { schemas: [USER], userName: accountOf("gone"), emails: [{ value: `again-${run}@example.com` }] };
    expect(await scim.request("POST", "/Users", again)).toMatchObject({
      status: 409,
      json: { scimType: "uniqueness" },
    });
  });

  it("refuses to disable the account that it works with", async () => {
    const { phid } = z
      .object({ caller: z.string() })
      .transform(({ caller }) => ({ phid: caller }))
      .parse(await server.call("branchward.info", {}));
    const answer = await scim.patch(`/Users/${phid}`, { op: "replace", path: "active", value: false });
    expect(answer.status).toBe(400);
    expect(answer.json["detail"]).toContain("your own account");
  });

  it("makes its state anew from the server, under the same ids", async () => {
    const branch = branchOf("rebuilt");
    const id = await story.govern(branch, ["alice"]);
    const { json: before } = await scim.request("GET", `/Groups/${id}`);
    await using other = await story.startAnother();
    const { json: after } = await other.request("GET", `/Groups/${id}`);
    const { externalId, displayName, [ENTITLEMENT]: entitlement } = before;
    expect(after).toMatchObject({ id, externalId, displayName, [ENTITLEMENT]: entitlement });
    expect((await other.request("GET", `/Users/${idOf("alice")}`)).json).toMatchObject({
      userName: accountOf("alice"),
    });
  });

  it("says that nothing can be told, and removes nothing, while a broken extension file stops the server", async (context) => {
    if (server.setExtension === undefined) return context.skip("PHORGE_EXTENSION is not set");
    const id = await story.govern(branchOf("kept"), ["alice"]);
    await server.setExtension("broken");
    expect(await scim.request("GET", `/Groups/${id}`)).toMatchObject({ status: 503 });
    expect(await scim.patch(`/Groups/${id}`, { op: "remove", path: "members" })).toMatchObject({ status: 503 });
    expect(await story.push("bob", branchOf("kept"))).toMatchObject({ isAccepted: false });
    await server.setExtension("installed");
    expect(await story.listMembers(id)).toEqual(both(["alice"]));
    expect(await story.push("bob", branchOf("kept"))).toMatchObject({ isAccepted: false });
  });

  it("keeps limits and deactivates without the extension, and refuses what needs it", async (context) => {
    if (server.setExtension === undefined) return context.skip("PHORGE_EXTENSION is not set");
    await story.addPerson("heidi");
    const branch = branchOf("kept-too");
    const id = await story.govern(branch, ["heidi"]);
    await server.setExtension("missing");
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: false });
    const rename = await scim.patch(`/Users/${idOf("heidi")}`, {
      op: "replace",
      path: "userName",
      value: accountOf("ida"),
    });
    expect(rename).toMatchObject({ status: 501 });
    expect(rename.json["detail"]).toContain("stock Conduit cannot change the name");
    expect(await scim.request("GET", `/Groups/${id}`)).toMatchObject({ status: 503 });
    const more = entitlementBody({ repository: server.repository, branch: branchOf("more"), vcs: "git" }, []);
    expect(await scim.request("POST", "/Groups", more)).toMatchObject({ status: 501 });
    const off = await scim.patch(`/Users/${idOf("heidi")}`, { op: "replace", path: "active", value: false });
    expect(off).toMatchObject({ status: 200, json: { active: false } });
    await server.setExtension("installed");
    expect(await story.push("heidi", branch)).toMatchObject({ isAccepted: false });
    expect(await story.push("bob", branch)).toMatchObject({ isAccepted: false });
  });

  it("lets a user without the extension wait for its account, and shows it as inactive", async (context) => {
    if (server.setExtension === undefined) return context.skip("PHORGE_EXTENSION is not set");
    await server.setExtension("missing");
    const userName = accountOf("judy");
    const body = { schemas: [USER], userName, emails: [{ value: `${userName}@example.com` }], displayName: "Judy" };
    const { status, json } = await scim.request("POST", "/Users", body);
    const state = { "urn:branchward:scim:schemas:extension:1.0:PhabricatorAccount": { state: "pending-link" } };
    expect({ status, json }).toMatchObject({ status: 201, json: { active: false, ...state } });
    const id = String(json["id"]);
    const team = { schemas: [GROUP], displayName: `Waiting ${run}`, members: [{ value: id }] };
    const refused = await scim.request("POST", "/Groups", team);
    expect(refused.json["detail"]).toContain("waits for its owner's first login");
    expect(await scim.request("POST", "/Users", body)).toMatchObject({ status: 409 });
    // Where the extension comes later, the account is made then.
    await server.setExtension("installed");
    expect(await scim.bridge.audit()).toEqual([]);
    const linked = await scim.request("GET", `/Users/${id}`);
    expect(linked.json).toMatchObject({ userName, active: true, displayName: "Judy" });
    await scim.addGroup(`Arrived ${run}`, [id]);
  });
});
