import { createHash, randomUUID } from "node:crypto";
import type { NormalizedDelivery } from "@branchward/core";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import { createActivePolicy, findDelivery, findHead, listBranches } from "@branchward/store";
import { openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import type { SourceReceiver } from "@branchward/vcs/receive";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Source } from "./source.ts";
import { createRecordDelivery } from "./record-delivery.ts";
import { createReplayDelivery, type ReplayDeps } from "./replay-delivery.ts";

const QUIET: NormalizedDelivery = {
  repository: null,
  site: "server",
  event: "push",
  occurredAt: null,
  actor: { key: "alice", email: null, trust: "claim" },
  groupKey: null,
  changes: [],
  renames: [],
  sightings: [],
  queued: [],
  checkout: null,
  ignored: null,
};

/** A source without a clock, whose bodies are what they mean. */
const receiver: SourceReceiver = {
  verify: () => ({ ok: true, trust: "claim" }),
  deliveryId: ({ body }) => createHash("sha256").update(body).digest("hex"),
  normalize: ({ payload }) => ({ ...QUIET, ...(payload as Partial<NormalizedDelivery>) }),
};

const revision = (digit: string) => digit.repeat(40);

describe("a replayed delivery", () => {
  const context: { database: TestDatabase; deps: ReplayDeps; stack: AsyncDisposableStack } = {} as never;
  beforeAll(async () => {
    const stack = new AsyncDisposableStack();
    const database = stack.use(await openTestDatabase());
    const log = createLogger({ level: "silent" });
    const target = { kind: "postgres", url: database.url } as const;
    await migrateQueue(target);
    const backend = stack.use(openQueueBackend(target, () => undefined));
    const deps: ReplayDeps = {
      db: database.db,
      queues: stack.use(createQueues(backend, [])),
      log,
      activePolicy: createActivePolicy(),
      endpoints: [],
      joined: [],
      pairingWindowMs: 30_000,
      minAuditIntervalMs: 60_000,
      sources: new Map([["git", createSource(["checkout", "refs"])]]),
    };
    Object.assign(context, { database, deps, stack });
  });
  afterAll(() => context.stack.disposeAsync());

  function createSource(may: Source["may"]): Source {
    const identity = { attribute: "userName", match: "key" } as const;
    return { name: "git", type: "agent", receiver, secrets: [], may, requireTrust: "claim", identity };
  }

  /** Receives what the body means, from a source that may do so much. */
  async function record(
    meaning: Partial<NormalizedDelivery>,
    may: Source["may"] = ["checkout", "refs"],
  ): Promise<string> {
    const body = Buffer.from(JSON.stringify({ ...meaning, nonce: randomUUID() }));
    const bodyDigest = createHash("sha256").update(body).digest();
    const delivery = { ...QUIET, ...meaning };
    const source = createSource(may);
    const input = { source, deliveryKey: randomUUID(), bodyDigest, headers: {}, body, delivery, agent: null };
    return (await createRecordDelivery(context.deps)(input)).delivery;
  }

  const replay = (deliveryId: string, replayId: string = randomUUID(), over: Partial<ReplayDeps> = {}) =>
    createReplayDelivery({ ...context.deps, ...over })({ deliveryId, replayId, by: "admin" });

  const repositoryOf = (name: string) => ({ nativeId: null, name, vcs: "git" as const });
  const push = (before: string | null, after: string | null) => ({
    kind: after === null ? ("delete" as const) : before === null ? ("create" as const) : ("push" as const),
    refType: "branch" as const,
    name: "main",
    before,
    after,
    forced: null,
    closed: false,
  });
  const queued = (head: string) => ({ refType: "branch" as const, name: "main", head, isBaseSeen: true });
  const heads = async (repository: string) =>
    (await listBranches(context.database.db, { limit: 10, repository })).map(({ state, head }) => [state, head]);

  it("counts today where yesterday its source might not tell of refs", async () => {
    const repository = repositoryOf("acme/late");
    const delivery = await record({ repository, changes: [push(null, revision("a"))] }, ["checkout"]);
    expect(await heads("acme/late")).toEqual([]);
    const { replay: made, duplicate } = await replay(delivery);
    expect([made.outcome, duplicate]).toEqual(["accepted", false]);
    expect(await heads("acme/late")).toEqual([["active", revision("a")]]);
    const stored = await findDelivery(context.database.db, delivery);
    expect(stored?.events.map(({ note, replay: by }) => [note, by])).toEqual([
      ["claim", null],
      [null, made.id],
    ]);
  });

  it("that was ignored is accepted once it is understood", async () => {
    const repository = repositoryOf("acme/understood");
    const body = { repository, changes: [push(null, revision("a"))], ignored: "unknown event" };
    const delivery = await record(body);
    const understanding = { ...receiver, normalize: () => ({ ...QUIET, ...body, ignored: null }) };
    const sources = new Map([["git", { ...createSource(["refs"]), receiver: understanding }]]);
    await replay(delivery, randomUUID(), { sources });
    expect(await heads("acme/understood")).toEqual([["active", revision("a")]]);
    const stored = await findDelivery(context.database.db, delivery);
    expect(stored).toMatchObject({ outcome: "accepted", note: null, repository: "acme/understood" });
  });

  it("changes nothing where it was applied already", async () => {
    const repository = repositoryOf("acme/again");
    const delivery = await record({ repository, changes: [push(null, revision("a"))] });
    await replay(delivery);
    await replay(delivery);
    expect(await heads("acme/again")).toEqual([["active", revision("a")]]);
  });

  it("is one replay when it is asked for twice, also at the same time", async () => {
    const repository = repositoryOf("acme/twice");
    const delivery = await record({ repository, changes: [push(null, revision("a"))] });
    const id = randomUUID();
    const answers = await Promise.all([replay(delivery, id), replay(delivery, id), replay(delivery, id)]);
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    const stored = await findDelivery(context.database.db, delivery);
    expect(stored?.events.filter(({ replay: by }) => by === id)).toHaveLength(1);
    const other = await record({ repository, changes: [push(revision("a"), revision("b"))] });
    await expect(replay(other, id)).rejects.toMatchObject({ code: "replay_exists" });
  });

  it("takes back no later news, though its source has no clock", async () => {
    const repository = repositoryOf("acme/news");
    const created = await record({ repository, changes: [push(null, revision("a"))] });
    const moved = await record({ repository, changes: [push(revision("a"), revision("b"))] });
    const deleted = await record({ repository, changes: [push(revision("b"), null)] });
    await record({ repository, changes: [push(null, revision("b"))] });
    const before = await heads("acme/news");
    expect(before).toHaveLength(2);
    for (const delivery of [created, moved, deleted]) {
      const { replay: made } = await replay(delivery);
      const stored = await findDelivery(context.database.db, delivery);
      expect(stored?.events.find(({ replay: by }) => by === made.id)?.note).toBe("stale");
    }
    expect(await heads("acme/news")).toEqual(before);
  });

  it("is not out of date because of what a merge queue tried since", async () => {
    const repository = repositoryOf("acme/queue");
    await record({ repository, changes: [push(null, revision("a"))] });
    const moved = await record({ repository, changes: [push(revision("a"), revision("b"))] }, ["checkout"]);
    await record({ repository, queued: [queued(revision("c"))] });
    await replay(moved);
    expect(await heads("acme/queue")).toEqual([["active", revision("b")]]);
  });

  it("tells of a merge queue's group where its source might not when it came", async () => {
    const repository = repositoryOf("acme/late-queue");
    await record({ repository, changes: [push(null, revision("a"))] });
    const [branch] = await listBranches(context.database.db, { limit: 1, repository: "acme/late-queue" });
    const findGroup = () => findHead(context.database.db, branch?.id ?? "", revision("c"));
    const delivery = await record({ repository, queued: [queued(revision("c"))] }, ["checkout"]);
    expect(await findGroup()).toBeUndefined();
    await replay(delivery);
    expect(await findGroup()).toBeDefined();
  });

  it("moves no working copy back to where it was", async () => {
    const repository = repositoryOf("acme/copy");
    const checkout = (name: string) => ({ refType: "branch" as const, name, revision: null, workingCopy: "laptop" });
    const first = await record({ repository, site: "client", checkout: checkout("main") });
    await record({ repository, site: "client", checkout: checkout("dev") });
    await replay(first);
    const { db } = context.database;
    const open = await db.selectFrom("checkouts").select("name").where("ended_at", "is", null).execute();
    expect(open).toEqual([{ name: "dev" }]);
  });

  it("needs its delivery and its source", async () => {
    await expect(replay(randomUUID())).rejects.toMatchObject({ code: "not_found" });
    const delivery = await record({ repository: repositoryOf("acme/gone"), changes: [push(null, revision("a"))] });
    await expect(replay(delivery, randomUUID(), { sources: new Map() })).rejects.toMatchObject({
      code: "unknown_source",
    });
  });
});
