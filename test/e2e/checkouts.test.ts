import { access } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type CheckoutMessage,
  makeRevision,
  type ReceiveMessage,
  signAgent,
  toCheckoutBody,
  toDeliveryId,
  toReceiveBody,
} from "../support/deliveries.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const SOURCES = `
sources:
  - { name: agents, type: agent, secret: { env: AGENT_SECRET } }
  - { name: laptops, type: agent, secret: { env: AGENT_SECRET }, may: [checkout] }
  - { name: mirror, type: agent, secret: { env: AGENT_SECRET } }
  - { name: servers, type: agent, secret: { env: AGENT_SECRET }, may: [refs] }
  - { name: strict, type: agent, secret: { env: AGENT_SECRET }, may: [checkout], requireTrust: token }
repositories:
  - { name: acme/shared, authority: agents, sources: [agents, laptops, mirror, strict] }
`;

const HOURS = 3_600_000;
/** What EXAMPLE_POLICY gives a reader. */
const GRANT_MS = 8 * HOURS;

describe.each(["postgres", "redis"] as const)("a checkout (rule B6), with the queue on %s,", (backend) => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ backend, sources: SOURCES, policy: EXAMPLE_POLICY });
    await addExamplePeople(system.people);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  async function pushBranch(repository: string, name: string): Promise<string> {
    const body = toReceiveBody({
      repository,
      changes: [{ kind: "create", name, before: null, after: makeRevision() }],
    });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    return (await system.branches.find({ repository, branch: name })).id;
  }

  /** Tells a checkout; resolves with the events that it was recorded as, once they had their effect. */
  async function checkOut(message: CheckoutMessage, source = "agents") {
    const body = toCheckoutBody(message);
    const id = toDeliveryId(await system.post(source, signAgent({ body }), body));
    return (await system.api.getDelivery(id)).events;
  }

  /** Tells refs, as a server's hook does. */
  async function tell(
    repository: string,
    changes: ReceiveMessage["changes"],
    sightings?: ReceiveMessage["sightings"],
  ): Promise<void> {
    const body = toReceiveBody({ repository, changes, ...(sightings === undefined ? {} : { sightings }) });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
  }

  const readers = async (id: string) => (await system.branches.holders(id))["read"];

  it("gives its reader access from that moment on", async () => {
    const id = await pushBranch("acme/start", "dev/x");
    expect(await readers(id)).toEqual([]);
    expect(await checkOut({ repository: "acme/start", branch: "dev/x" })).toMatchObject([
      { kind: "checkout", name: "dev/x", note: null, incarnation: id },
    ]);
    expect(await readers(id)).toEqual(["alice"]);
  });

  it("is told in an explanation with what it gives its user: until when, or nothing", async () => {
    await pushBranch("acme/told", "dev/x");
    const until = async (user: string, verb: string) => {
      const query = { user, entitlement: verb, repository: "acme/told", branch: "dev/x", details: "true" };
      const { body } = await system.api.request(`/v1/access?${new URLSearchParams(query).toString()}`);
      return access.parse(body).checkouts?.map((checkout) => checkout.until);
    };
    await checkOut({ repository: "acme/told", branch: "dev/x", workingCopy: "desk" });
    await checkOut({ repository: "acme/told", branch: "dev/x", workingCopy: "carols", actor: "carol" });
    expect(await until("alice", "read")).toEqual([expect.any(String)]);
    expect(await until("alice", "push")).toEqual([null]);
    expect(await until("carol", "read")).toEqual([null]);
  });

  it("of another branch in the same working copy moves the access there", async () => {
    const [x, y] = [await pushBranch("acme/move", "dev/x"), await pushBranch("acme/move", "release/y")];
    await checkOut({ repository: "acme/move", branch: "dev/x" });
    await checkOut({ repository: "acme/move", branch: "release/y" });
    expect([await readers(x), await readers(y)]).toEqual([[], ["alice"]]);
    await checkOut({ repository: "acme/move", branch: null });
    expect(await readers(y)).toEqual([]);
  });

  it("counts for each working copy by itself", async () => {
    const id = await pushBranch("acme/copies", "dev/x");
    await checkOut({ repository: "acme/copies", branch: "dev/x", workingCopy: "desk" });
    await checkOut({ repository: "acme/copies", branch: "dev/x", workingCopy: "laptop" });
    await checkOut({ repository: "acme/copies", branch: null, workingCopy: "desk" });
    expect(await readers(id)).toEqual(["alice"]);
    await checkOut({ repository: "acme/copies", branch: null, workingCopy: "laptop" });
    expect(await readers(id)).toEqual([]);
  });

  it("expires, and a repeated one does not extend it", async () => {
    const id = await pushBranch("acme/expiry", "dev/x");
    const occurredAt = new Date(Date.now() - GRANT_MS + 4_000);
    await checkOut({ repository: "acme/expiry", branch: "dev/x", occurredAt });
    expect(await readers(id)).toEqual(["alice"]);
    expect(await checkOut({ repository: "acme/expiry", branch: "dev/x" })).toMatchObject([{ note: "unchanged" }]);
    await system.branches.expectHolders(id, { read: [] });
  });

  it("that happened longer ago than its grant lasts starts nothing", async () => {
    const id = await pushBranch("acme/late", "dev/x");
    const occurredAt = new Date(Date.now() - GRANT_MS - 1_000);
    await checkOut({ repository: "acme/late", branch: "dev/x", occurredAt });
    expect(await readers(id)).toEqual([]);
  });

  it("by a clock that is ahead lasts no longer than from its arrival", async () => {
    const id = await pushBranch("acme/ahead", "dev/x");
    await checkOut({ repository: "acme/ahead", branch: "dev/x", occurredAt: new Date(Date.now() + 24 * HOURS) });
    expect(await readers(id)).toEqual(["alice"]);
    const answer = await system.api.request(
      "/v1/access?user=alice&entitlement=read&repository=acme/ahead&branch=dev/x",
    );
    expect(answer).toMatchObject({ status: 200, body: { allowed: true } });
    const until = /until (\S+Z)/u.exec(JSON.stringify(answer.body))?.[1] ?? "";
    expect(new Date(until).getTime()).toBeLessThanOrEqual(Date.now() + GRANT_MS);
  });

  it.each([
    ["nobody the directory knows", "mallory", "unknown-actor"],
    ["the address of nobody there", "mallory@example.com", "unknown-actor"],
  ])("by %s starts nothing and says so", async (_, actor, note) => {
    const repository = `acme/unknown-${actor.length}`;
    const id = await pushBranch(repository, "dev/x");
    expect(await checkOut({ repository, branch: "dev/x", actor })).toMatchObject([{ note }]);
    expect(await readers(id)).toEqual([]);
  });

  it("by an e-mail address that exactly one active user has is that user's", async () => {
    const id = await pushBranch("acme/mail", "dev/x");
    await checkOut({ repository: "acme/mail", branch: "dev/x", actor: "bob@example.com" });
    expect(await readers(id)).toEqual(["bob"]);
  });

  it("by somebody whom no grant names gives nothing", async () => {
    const id = await pushBranch("acme/others", "dev/x");
    await checkOut({ repository: "acme/others", branch: "dev/x", actor: "carol" });
    expect(await readers(id)).toEqual([]);
  });

  it("of a branch that nobody has pushed yet counts as soon as it is pushed", async () => {
    expect(await checkOut({ repository: "acme/early", branch: "dev/new" })).toMatchObject([{ incarnation: null }]);
    expect(await system.api.listBranches("acme/early")).toEqual([]);
    const id = await pushBranch("acme/early", "dev/new");
    expect(await readers(id)).toEqual(["alice"]);
  });

  it("ends with its branch, and does not count for another of its name", async () => {
    const old = await pushBranch("acme/ends", "dev/x");
    await checkOut({ repository: "acme/ends", branch: "dev/x" });
    expect(await readers(old)).toEqual(["alice"]);
    const { head } = await system.api.getBranch(old);
    const body = toReceiveBody({
      repository: "acme/ends",
      changes: [{ kind: "delete", name: "dev/x", before: head, after: null }],
    });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    expect(await readers(old)).toEqual([]);
    const reborn = await pushBranch("acme/ends", "dev/x");
    expect(reborn).not.toBe(old);
    expect(await readers(reborn)).toEqual([]);
  });

  it("resumes with its old end when the delete of its branch turns out to be half of a rename (rule A6)", async () => {
    const repository = "acme/resumes";
    const id = await pushBranch(repository, "dev/x");
    const startedAt = new Date(Date.now() - HOURS);
    await checkOut({ repository, branch: "dev/x", occurredAt: startedAt });
    expect(await readers(id)).toEqual(["alice"]);
    const { head } = await system.api.getBranch(id);
    await tell(repository, [{ kind: "delete", name: "dev/x", before: head, after: null }]);
    expect(await readers(id)).toEqual([]);
    await tell(repository, [{ kind: "create", name: "dev/y", before: null, after: head }]);
    expect(await system.api.getBranch(id)).toMatchObject({ name: "dev/y", state: "active" });
    await system.branches.expectHolders(id, { read: ["alice"] });
    const expiresAt = new Date(startedAt.getTime() + GRANT_MS).toISOString();
    expect((await system.api.request(`/v1/branches/${id}`)).body).toMatchObject({ checkouts: [{ expiresAt }] });
  });

  it("ends where the branch's head is found elsewhere without an event, and not where an event was overtaken (rule A4)", async () => {
    const repository = "acme/lineage";
    const id = await pushBranch(repository, "dev/x");
    await checkOut({ repository, branch: "dev/x" });
    const { head } = await system.api.getBranch(id);
    const breaks = async () =>
      (await system.api.listFindings()).flatMap(({ kind, subject }) => (kind === "lineage-break" ? [subject] : []));
    const [next, overtaking, elsewhere] = [makeRevision(), makeRevision(), makeRevision()];
    const push = { kind: "push", name: "dev/x" } as const;
    await tell(repository, [{ ...push, before: head, after: next }], [{ name: "dev/x", head: overtaking }]);
    expect([await readers(id), await breaks()]).toEqual([["alice"], []]);
    await tell(repository, [], [{ name: "dev/x", head: elsewhere }]);
    expect(await readers(id)).toEqual([]);
    expect(await system.api.getBranch(id)).toMatchObject({ head: elsewhere, state: "active" });
    expect(await system.branches.holders(id)).toMatchObject({ push: ["alice", "bob"] });
    expect(await breaks()).toEqual(["acme/lineage:dev/x"]);
    await tell(repository, [{ ...push, before: elsewhere, after: makeRevision() }]);
    await expect.poll(breaks, { timeout: 20_000 }).toEqual([]);
  });

  it("resumes when the event comes that was only later than the look (rule A4)", async () => {
    const repository = "acme/late";
    const id = await pushBranch(repository, "dev/x");
    const startedAt = new Date(Date.now() - HOURS);
    await checkOut({ repository, branch: "dev/x", occurredAt: startedAt });
    await checkOut({ repository, branch: "dev/x", workingCopy: "moved" });
    const { head } = await system.api.getBranch(id);
    const found = makeRevision();
    await tell(repository, [], [{ name: "dev/x", head: found }]);
    expect(await readers(id)).toEqual([]);
    await checkOut({ repository, branch: "dev/y", workingCopy: "moved" });
    await tell(repository, [{ kind: "push", name: "dev/x", before: makeRevision(), after: found }]);
    expect(await readers(id)).toEqual([]);
    await tell(repository, [{ kind: "push", name: "dev/x", before: head, after: found }]);
    await system.branches.expectHolders(id, { read: ["alice"] });
    const expiresAt = new Date(startedAt.getTime() + GRANT_MS).toISOString();
    expect((await system.api.request(`/v1/branches/${id}`)).body).toMatchObject({ checkouts: [{ expiresAt }] });
    const kinds = (await system.api.listFindings()).filter(({ subject }) => subject === `${repository}:dev/x`);
    expect(kinds).toEqual([]);
  });

  it("goes on with the older branch when its own turns out to be that one, renamed (rule A5)", async () => {
    const repository = "acme/merged-stays";
    const old = await pushBranch(repository, "dev/old");
    const { head } = await system.api.getBranch(old);
    await tell(repository, [{ kind: "create", name: "dev/new", before: null, after: head }]);
    const young = await system.branches.find({ repository, branch: "dev/new" });
    await checkOut({ repository, branch: "dev/new", workingCopy: "one" });
    await checkOut({ repository, branch: "dev/old", workingCopy: "two", actor: "bob" });
    await system.branches.expectHolders(young.id, { read: ["alice"] });
    await system.branches.expectHolders(old, { read: ["bob"] });
    await tell(repository, [{ kind: "delete", name: "dev/old", before: head, after: null }]);
    expect(await system.api.getBranch(young.id)).toMatchObject({ id: old, name: "dev/new" });
    await system.branches.expectHolders(old, { push: ["alice", "bob"], read: ["alice", "bob"] });
  });

  it("comes back with its old end when its user is deactivated and active again (rules B6, C2)", async () => {
    const repository = "acme/leave-and-return";
    const id = await pushBranch(repository, "dev/x");
    const occurredAt = new Date(Date.now() - HOURS);
    await checkOut({ repository, branch: "dev/x", actor: "bob", occurredAt });
    await system.branches.expectHolders(id, { push: ["alice", "bob"], read: ["bob"] });
    await system.people.setActive("bob", false);
    await system.branches.expectHolders(id, { push: ["alice"], read: [] });
    await system.people.setActive("bob", true);
    await system.branches.expectHolders(id, { push: ["alice", "bob"], read: ["bob"] });
    const expiresAt = new Date(occurredAt.getTime() + GRANT_MS).toISOString();
    expect((await system.api.request(`/v1/branches/${id}`)).body).toMatchObject({ checkouts: [{ expiresAt }] });
  });

  it("ends with the closing of its named branch, and does not come back when it is opened again (rule A7)", async () => {
    const repository = "acme/closing";
    const id = await pushBranch(repository, "dev/x");
    await checkOut({ repository, branch: "dev/x" });
    await system.branches.expectHolders(id, { push: ["alice", "bob"], read: ["alice"] });
    const [closing, opening] = [makeRevision(), makeRevision()];
    const { head } = await system.api.getBranch(id);
    const push = { kind: "push", name: "dev/x" } as const;
    await tell(repository, [{ ...push, before: head, after: closing, closed: true }]);
    expect(await system.api.getBranch(id)).toMatchObject({ state: "closed" });
    await system.branches.expectHolders(id, { push: [], read: [] });
    await tell(repository, [{ ...push, before: closing, after: opening }]);
    expect(await system.api.getBranch(id)).toMatchObject({ state: "active", head: opening });
    await system.branches.expectHolders(id, { push: ["alice", "bob"], read: [] });
  });

  it("that changes nothing has its branch looked at only where the verdict is older than audit.minInterval (rule C9)", async () => {
    const repository = "acme/seen";
    const id = await pushBranch(repository, "dev/x");
    await checkOut({ repository, branch: "dev/x" });
    expect(await readers(id)).toEqual(["alice"]);
    const before = (await system.api.listSyncs(id)).length;
    await checkOut({ repository, branch: "dev/x" });
    expect(await readers(id)).toEqual(["alice"]);
    expect(await system.api.listSyncs(id)).toHaveLength(before);
    await system.database.pool.query(
      "update scopes set verdict_at = now() - interval '61 seconds' where incarnation_id = $1",
      [id],
    );
    await checkOut({ repository, branch: "dev/x" });
    await expect.poll(async () => (await system.api.listSyncs(id)).length, { timeout: 20_000 }).toBe(before + 1);
  });

  it("outlives a restart, and expires after it when its time has come", async () => {
    const [kept, expiring] = [await pushBranch("acme/restart", "dev/x"), await pushBranch("acme/restart", "dev/y")];
    await checkOut({ repository: "acme/restart", branch: "dev/x", workingCopy: "one" });
    const occurredAt = new Date(Date.now() - GRANT_MS + 3_000);
    await checkOut({ repository: "acme/restart", branch: "dev/y", workingCopy: "two", occurredAt });
    expect([await readers(kept), await readers(expiring)]).toEqual([["alice"], ["alice"]]);
    await system.stop();
    await system.start();
    await system.branches.expectHolders(expiring, { read: [] });
    expect(await readers(kept)).toEqual(["alice"]);
  });

  it("of a source that may not tell of checkouts is recorded as a claim and gives nothing", async () => {
    expect(await checkOut({ repository: "acme/servers", branch: "dev/x" }, "servers")).toMatchObject([
      { note: "claim", incarnation: null },
    ]);
  });

  it.each([
    ["a source that may tell of checkouts alone", "laptops", "server", "claim"],
    ["a source that is not the repository's authority", "mirror", "server", "not-authority"],
    ["a working copy", "agents", "client", "client-claim"],
  ] as const)("is all that counts from %s, which cannot delete a branch", async (_, source, site, note) => {
    const name = `release/${source}`;
    const id = await pushBranch("acme/shared", name);
    await system.branches.expectHolders(id, { push: ["alice"] });
    const { head } = await system.api.getBranch(id);
    const body = toReceiveBody({
      repository: "acme/shared",
      site,
      changes: [{ kind: "delete", name, before: head, after: null }],
    });
    const delivery = toDeliveryId(await system.post(source, signAgent({ body }), body));
    expect((await system.api.getDelivery(delivery)).events).toMatchObject([
      { kind: "delete", note, incarnation: null },
    ]);
    expect(await system.api.getBranch(id)).toMatchObject({ state: "active", suspect: false });
    expect(await system.branches.holders(id)).toMatchObject({ push: ["alice"] });
  });

  it("that is only claimed starts nothing where its source wants a token, and ends the stay before it (rule B6)", async () => {
    const id = await pushBranch("acme/shared", "dev/strict");
    await checkOut({ repository: "acme/shared", branch: "dev/strict", workingCopy: "strict" }, "laptops");
    expect(await readers(id)).toEqual(["alice"]);
    const other = await pushBranch("acme/shared", "dev/stricter");
    const message = { repository: "acme/shared", branch: "dev/stricter", workingCopy: "strict" };
    expect(await checkOut(message, "strict")).toMatchObject([{ kind: "checkout", note: "untrusted" }]);
    expect([await readers(id), await readers(other)]).toEqual([[], []]);
  });

  it("of a source that was not told what it may do stands as a finding (rule A1)", async () => {
    const findings = await system.api.listFindings();
    const sources = findings
      .filter((finding) => finding.kind === "source-may-default")
      .map((finding) => finding.subject);
    expect(sources.toSorted((a, b) => a.localeCompare(b))).toEqual(["agents", "mirror"]);
  });

  it("from a source that shares the repository counts there", async () => {
    const id = await pushBranch("acme/shared", "dev/together");
    await checkOut({ repository: "acme/shared", branch: "dev/together", workingCopy: "shared" }, "laptops");
    expect(await readers(id)).toEqual(["alice"]);
  });
});
