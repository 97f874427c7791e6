import { createHash, randomUUID } from "node:crypto";
import type { NormalizedDelivery, RefSighting } from "@branchward/core";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import { createActivePolicy, listBranches, listRepositoriesByName } from "@branchward/store";
import { openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { findReceiver } from "@branchward/vcs/receive";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Source } from "./source.ts";
import { createRecordDelivery, type RecordDeps } from "./record-delivery.ts";
import { createBeginLook } from "./record-sightings.ts";
import { createReplayDelivery } from "./replay-delivery.ts";

const source: Source = {
  name: "github",
  type: "github",
  receiver: findReceiver("github"),
  secrets: [],
  may: ["refs"],
  requireTrust: "claim",
  identity: { attribute: "userName", match: "key" },
};

const [a, b, c] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [string, string, string];

describe("what a host showed", () => {
  const context: { database: TestDatabase; deps: RecordDeps; stack: AsyncDisposableStack } = {} as never;
  beforeAll(async () => {
    const stack = new AsyncDisposableStack();
    const database = stack.use(await openTestDatabase());
    const target = { kind: "postgres", url: database.url } as const;
    await migrateQueue(target);
    const backend = stack.use(openQueueBackend(target, () => undefined));
    const deps: RecordDeps = {
      db: database.db,
      queues: stack.use(createQueues(backend, [])),
      log: createLogger({ level: "silent" }),
      activePolicy: createActivePolicy(),
      endpoints: [],
      joined: [],
      pairingWindowMs: 30_000,
      minAuditIntervalMs: 60_000,
    };
    Object.assign(context, { database, deps, stack });
  });
  afterAll(() => context.stack.disposeAsync());

  /** A repository at the host, told of by deliveries and looked at. */
  function open(name: string) {
    const repository = { nativeId: createHash("sha256").update(name).digest("hex"), name, vcs: "git" as const };
    return {
      async push(before: string | null, after: string | null): Promise<void> {
        const kind = after === null ? "delete" : before === null ? "create" : "push";
        const refs = { refType: "branch" as const, name: "dev/x", before, after, forced: null, closed: false };
        const delivery: NormalizedDelivery = {
          repository,
          site: "server",
          event: "push",
          occurredAt: null,
          actor: null,
          groupKey: null,
          changes: [{ kind, ...refs }],
          renames: [],
          sightings: [],
          queued: [],
          checkout: null,
          ignored: null,
        };
        const body = Buffer.from(randomUUID());
        const bodyDigest = createHash("sha256").update(body).digest();
        const input = { source, deliveryKey: randomUUID(), bodyDigest, headers: {}, body, delivery, agent: null };
        await createRecordDelivery(context.deps)(input);
      },
      async begin(deps: RecordDeps = context.deps) {
        const [found] = await listRepositoriesByName(context.database.db, name);
        const look = { repositoryId: found?.id ?? "", source, repository, names: ["dev/x"] };
        return createBeginLook(deps)(look);
      },
      async states() {
        const rows = await listBranches(context.database.db, { limit: 10, repository: name });
        return rows.map(({ state, head, suspect }) => [state, head, suspect]);
      },
    };
  }

  const seen = (head: string | null): readonly RefSighting[] => [{ refType: "branch", name: "dev/x", head }];

  it("ends a branch that is gone, and clears one that is there", async () => {
    const github = open("acme/shown");
    await github.push(null, a);
    await github.push(b, null);
    expect(await github.states()).toEqual([["active", a, true]]);
    expect(await (await github.begin()).record(seen(a))).toEqual([]);
    expect(await github.states()).toEqual([["active", a, false]]);
    expect(await (await github.begin()).record(seen(null))).toEqual([]);
    expect(await github.states()).toEqual([["deleted", a, false]]);
  });

  it("makes a branch known whose deliveries were lost", async () => {
    const github = open("acme/lost");
    await github.push(null, a);
    await github.push(a, null);
    await (await github.begin()).record(seen(b));
    expect(await github.states()).toEqual([
      ["active", b, false],
      ["deleted", a, false],
    ]);
  });

  it("counts for nothing where a delivery came while the host was asked", async () => {
    const github = open("acme/overtaken");
    await github.push(null, a);
    const ofPush = await github.begin();
    await github.push(a, b);
    expect(await ofPush.record(seen(a))).toEqual(["dev/x"]);
    expect(await ofPush.record(seen(null))).toEqual(["dev/x"]);
    expect(await github.states()).toEqual([["active", b, false]]);
    const ofDelete = await github.begin();
    // Told without proof: the branch keeps its head, and yet what was seen before may be over.
    await github.push(c, null);
    expect(await ofDelete.record(seen(b))).toEqual(["dev/x"]);
    expect(await github.states()).toEqual([["active", b, true]]);
  });

  it("counts for nothing in a branch that is another by now", async () => {
    const github = open("acme/reborn");
    await github.push(null, a);
    const look = await github.begin();
    await github.push(a, null);
    await github.push(null, a);
    expect(await look.record(seen(null))).toEqual(["dev/x"]);
    expect((await github.states())[0]).toEqual(["active", a, false]);
  });

  it("is not applied again", async () => {
    const github = open("acme/once");
    await github.push(null, a);
    await (await github.begin()).record(seen(b));
    const { db } = context.database;
    const [look] = await db
      .selectFrom("deliveries")
      .select("id")
      .where("event", "=", "look-up")
      .orderBy("seq", "desc")
      .execute();
    const replay = createReplayDelivery({ ...context.deps, sources: new Map([["github", source]]) });
    const request = { deliveryId: look?.id ?? "", replayId: randomUUID(), by: "admin" };
    await expect(replay(request)).rejects.toMatchObject({ code: "not_replayable" });
  });

  it("counts for nothing where the repository has another authority", async () => {
    const github = open("acme/mirror");
    await github.push(null, a);
    const entry = { name: "acme/mirror", authority: "gitlab", sources: ["github", "gitlab"] };
    const look = await github.begin({ ...context.deps, joined: [entry] });
    await look.record(seen(null));
    expect(await github.states()).toEqual([["active", a, false]]);
  });
});
