import { randomUUID } from "node:crypto";
import { type OutgoingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AGENT_SECRET,
  createGithubRepository,
  GITHUB_SECRET,
  makeRevision,
  signAgent,
  signGithub,
  toCheckoutBody,
  toDeliveryId,
  toReceiveBody,
} from "../support/deliveries.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const MAX_BYTES = 25 * 1024 * 1024;

const SOURCES = `
sources:
  - { name: agents, type: agent, secret: { env: AGENT_SECRET } }
  - { name: github, type: github, secret: { env: GITHUB_SECRET } }
  - { name: rotating, type: github, secret: [{ env: OLD_SECRET }, { env: NEW_SECRET }] }
  - { name: rotating-agents, type: agent, secret: [{ env: OLD_SECRET }, { env: NEW_SECRET }] }
`;

const OLD_SECRET = "old-secret-of-the-tests";
const NEW_SECRET = "whsec_bmV3LXNlY3JldC1vZi10aGUtdGVzdHM=";
const secretEnv = { OLD_SECRET, NEW_SECRET };

interface RawAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Sends headers and then what `write` gives; the answer may come before the body has gone. */
function sendRaw(
  url: string,
  headers: OutgoingHttpHeaders,
  write: (send: (chunk: Buffer) => boolean) => void,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const outgoing = request(url, { method: "POST", headers }, (incoming) => {
      isAnswered = true;
      let text = "";
      incoming.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      incoming.on("end", () => {
        outgoing.destroy();
        resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) });
      });
    });
    outgoing.on("error", (error) => {
      if (!isAnswered) reject(error);
    });
    outgoing.flushHeaders();
    write((chunk) => outgoing.write(chunk));
  });
}

describe.each(["postgres", "redis"] as const)("a delivery, with the queue on %s,", (backend) => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ backend, sources: SOURCES, secretEnv });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const hook = (source: string): string => `${system.url}/hooks/${source}`;
  const problem = (status: number, code: string) => ({ status, body: expect.objectContaining({ status, code }) });
  const count = async (): Promise<number> => (await system.api.listDeliveries()).length;

  it("to an unknown source is answered 404, whatever else is wrong with it", async () => {
    const headers = { "content-type": "text/plain", "content-length": MAX_BYTES + 1 };
    expect(await sendRaw(hook("nobody"), headers, () => undefined)).toEqual(problem(404, "unknown_source"));
  });

  it("that announces more than 25 MB is answered 413 before any of it is sent, and before its type is looked at", async () => {
    const headers = { "content-type": "text/plain", "content-length": MAX_BYTES + 1 };
    expect(await sendRaw(hook("github"), headers, () => undefined)).toEqual(problem(413, "body_too_large"));
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])(
    "of the type '%s' is answered 415 before its signature is looked at",
    async (type) => {
      const answer = await system.post("github", { "content-type": type }, "payload={}");
      expect(answer).toMatchObject(problem(415, "unsupported_media_type"));
    },
  );

  it("whose type has parameters and capitals is JSON all the same", async () => {
    const body = JSON.stringify({ zen: randomUUID() });
    const headers = { ...signGithub({ event: "ping", body }), "content-type": "Application/JSON; charset=utf-8" };
    expect((await system.post("github", headers, body)).status).toBe(202);
  });

  it("of unannounced length is answered 413 when it grows over the cap, before its signature is looked at", async () => {
    const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
    const chunk = Buffer.alloc(1024 * 1024, " ");
    const answer = await sendRaw(hook("github"), headers, (send) => {
      for (let sent = 0; sent <= MAX_BYTES; sent += chunk.length) send(chunk);
    });
    expect(answer).toEqual(problem(413, "body_too_large"));
  });

  it.each([
    ["without a signature", (signed: Record<string, string>) => ({ ...signed, "x-hub-signature-256": "" })],
    [
      "signed with another secret",
      (_: Record<string, string>, body: string) => signGithub({ event: "push", body, secret: "another-secret" }),
    ],
    [
      "signed over another body",
      () => signGithub({ event: "push", body: '{"ref":"refs/heads/other"}', secret: GITHUB_SECRET }),
    ],
    [
      "signed with the weaker SHA-1 header alone",
      (signed: Record<string, string>) => ({ ...signed, "x-hub-signature-256": "", "x-hub-signature": "sha1=00" }),
    ],
  ])("%s is answered 401 and leaves nothing behind", async (_, forge) => {
    const before = await count();
    const body = JSON.stringify({ ref: "refs/heads/main", nonce: randomUUID() });
    const answer = await system.post("github", forge(signGithub({ event: "push", body }), body), body);
    expect(answer).toMatchObject(problem(401, "signature_invalid"));
    expect(await count()).toBe(before);
  });

  it("of an agent is answered 401 under another id, and when it was signed more than five minutes ago", async () => {
    const before = await count();
    const body = toCheckoutBody({ repository: "acme/late", branch: "main" });
    const renamed = { ...signAgent({ body }), "webhook-id": `msg_${randomUUID()}` };
    expect((await system.post("agents", renamed, body)).status).toBe(401);
    const late = signAgent({ body, sentAt: new Date(Date.now() - 6 * 60_000) });
    expect((await system.post("agents", late, body)).status).toBe(401);
    expect(await count()).toBe(before);
  });

  it.each(["[]", '"text"', "null", "12", "", "{", '{"a":1}{', '{"__proto__":{"admin":true}}'])(
    "whose signed body is %s and no JSON object is answered 400",
    async (body) => {
      const answer = await system.post("github", signGithub({ event: "push", body }), body);
      expect(answer.status).toBe(400);
      expect(answer.headers.get("content-type")).toContain("application/problem+json");
    },
  );

  it("that is well is answered 202 with its id and nothing more, and can be read back without its signature", async () => {
    const body = JSON.stringify({ zen: randomUUID() });
    const id = randomUUID();
    const answer = await system.post("github", signGithub({ event: "ping", body, id }), body);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ delivery: expect.stringMatching(/^[0-9a-f-]{36}$/), duplicate: false });
    const stored = await system.api.getDelivery(toDeliveryId(answer));
    expect(stored).toMatchObject({ source: "github", deliveryId: id, event: "ping" });
    expect(JSON.parse(stored.body ?? "")).toEqual(JSON.parse(body));
    expect(stored.headers).toMatchObject({ "x-github-delivery": id });
    expect(Object.keys(stored.headers)).not.toContain("x-hub-signature-256");
  });

  it("that comes again under its id is a duplicate of the first, also with another body (rule A4)", async () => {
    const id = randomUUID();
    const send = (zen: string) => {
      const body = JSON.stringify({ zen });
      return system.post("github", signGithub({ event: "ping", body, id }), body);
    };
    const zen = randomUUID();
    const first = toDeliveryId(await send(zen));
    expect(await send(zen)).toMatchObject({ status: 202, body: { delivery: first, duplicate: true } });
    expect(await send(randomUUID())).toMatchObject({ status: 202, body: { delivery: first, duplicate: true } });
  });

  it("whose body comes again under another id is a duplicate, but not from another source (rule A4)", async () => {
    const body = JSON.stringify({ zen: randomUUID() });
    const first = toDeliveryId(await system.post("github", signGithub({ event: "ping", body }), body));
    const again = await system.post("github", signGithub({ event: "ping", body }), body);
    expect(again.body).toEqual({ delivery: first, duplicate: true });
    const elsewhere = signGithub({ event: "ping", body, secret: OLD_SECRET });
    expect((await system.post("rotating", elsewhere, body)).body).toMatchObject({ duplicate: false });
  });

  it("that comes twenty times at once is recorded and acted on once", async () => {
    const repository = `acme/many-${backend}`;
    const body = toReceiveBody({
      repository,
      changes: [{ kind: "create", name: "main", before: null, after: makeRevision() }],
    });
    const headers = signAgent({ body });
    const answers = await Promise.all(Array.from({ length: 20 }, () => system.post("agents", headers, body)));
    expect(new Set(answers.map(toDeliveryId)).size).toBe(1);
    const fresh = answers.filter((answer) => JSON.stringify(answer.body).includes('"duplicate":false'));
    expect(fresh).toHaveLength(1);
    expect(await system.api.listBranches(repository)).toHaveLength(1);
  });

  it("is taken under each of several secrets while one is rotated, and under no other", async () => {
    for (const secret of [OLD_SECRET, NEW_SECRET]) {
      const github = JSON.stringify({ zen: randomUUID() });
      const key = secret === OLD_SECRET ? secret : Buffer.from(secret.slice("whsec_".length), "base64").toString();
      const signed = signGithub({ event: "ping", body: github, secret: key });
      expect((await system.post("rotating", signed, github)).status).toBe(202);
      const agent = toCheckoutBody({ repository: "acme/rotation", branch: "main", workingCopy: secret });
      expect((await system.post("rotating-agents", signAgent({ body: agent, secret }), agent)).status).toBe(202);
    }
    const body = toCheckoutBody({ repository: "acme/rotation", branch: "main", workingCopy: "third" });
    expect((await system.post("rotating-agents", signAgent({ body, secret: AGENT_SECRET }), body)).status).toBe(401);
  });

  const repository = { id: 77, full_name: "acme/ignored" };
  it.each([
    ["ping", "ping", { zen: "Design for failure." }],
    ["an event that we do not use", "issues", { action: "opened", repository }],
    ["a push of a tag", "push", { ref: "refs/tags/v1", before: "0".repeat(40), after: makeRevision(), repository }],
    ["the create of a tag", "create", { ref: "v1", ref_type: "tag", repository }],
    ["a push without a repository", "push", { ref: "refs/heads/x", before: makeRevision(), after: makeRevision() }],
    ["a push whose revision is none", "push", { ref: "refs/heads/x", before: "here", after: "there", repository }],
  ])("that is %s is stored as ignored, saying why", async (_, event, payload) => {
    const body = JSON.stringify({ ...payload, nonce: randomUUID() });
    const id = toDeliveryId(await system.post("github", signGithub({ event, body }), body));
    const stored = await system.api.getDelivery(id);
    expect(stored).toMatchObject({ outcome: "ignored", note: expect.stringMatching(/\w/), events: [] });
    expect(await system.api.listBranches("acme/ignored")).toEqual([]);
  });

  it("of an agent of another version is stored as ignored", async () => {
    const body = JSON.stringify({ v: 2, hook: "post-receive", nonce: randomUUID() });
    const id = toDeliveryId(await system.post("agents", signAgent({ body }), body));
    expect(await system.api.getDelivery(id)).toMatchObject({ outcome: "ignored", note: expect.stringMatching(/2/) });
  });

  it("with a hundred branches in one push asks for all of them", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `dev/b${index}`);
    const changes = names.map((name) => ({ kind: "create" as const, name, before: null, after: makeRevision() }));
    const body = toReceiveBody({ repository: `acme/hundred-${backend}`, changes });
    expect((await system.post("agents", signAgent({ body }), body)).status).toBe(202);
    const branches = await system.api.listBranches(`acme/hundred-${backend}`);
    expect(branches.map((branch) => branch.name).toSorted()).toEqual(names.toSorted());
    for (const { id } of branches) {
      expect((await system.branches.settle(id)).scopes).toMatchObject([{ verdict: "verified" }]);
    }
  });

  it("of GitHub makes a branch that reaches its verdict", async () => {
    const github = createGithubRepository(system.post, `acme/arrives-${backend}`);
    const head = makeRevision();
    await github.push({ branch: "main", after: head });
    const { http, status } = await system.api.status({ repository: github.name, branch: "main", wait: "20s" });
    expect({ http, state: status.state, revision: status.revision }).toEqual({
      http: 200,
      state: "in_sync",
      revision: head,
    });
  });
});
