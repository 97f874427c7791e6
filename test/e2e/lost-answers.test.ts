/** A group that was made while its answer was lost, at an endpoint that keeps no `externalId` (rules A5, C6). */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { type ScriptedEndpoint, startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

const waiting = { timeout: 20_000, interval: 50 };

const POLICY = `
policy:
  - repositories: ["**"]
    branches: ["dev/**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
`;

describe("a group whose POST had no answer, at an endpoint that drops externalId", () => {
  const stack = new AsyncDisposableStack();
  const context: { system: TestSystem; endpoint: ScriptedEndpoint; ids: Map<string, string> } = {} as never;

  beforeAll(async () => {
    const endpoint = stack.use(await startScriptedEndpoint({ dropsExternalId: true }));
    const ids = new Map<string, string>();
    for (const userName of ["alice", "bob", "mallory"]) {
      ids.set(userName, (await endpoint.inside.createUser({ userName, active: true })).id);
    }
    const endpoints = `
endpoints:
  - { name: foreign, url: "${endpoint.url}", token: { env: FOREIGN_TOKEN }, probeEvery: 1s }
`;
    const policy = `${POLICY}${endpoints}`;
    const system = stack.use(await startTestSystem({ policy, secretEnv: { FOREIGN_TOKEN: "token" } }));
    await addExamplePeople(system.people);
    Object.assign(context, { endpoint, ids, system });
  });
  afterEach(() => context.endpoint.setMood("honest"));
  afterAll(() => stack.disposeAsync());

  const open = (name: string) => createGithubRepository(context.system.post, `acme/${name}`);

  /** Every group of the repository there: its name and members. */
  async function listGroups(repository: string): Promise<Record<string, readonly string[]>> {
    const names = new Map([...context.ids].map(([name, id]) => [id, name]));
    const groups = await context.endpoint.inside.findGroups(`displayName sw "${repository}:"`);
    const told = groups.map(({ displayName, members = [] }) => {
      const users = members.map(({ value }) => names.get(value) ?? value).toSorted((a, b) => a.localeCompare(b));
      return [displayName, users] as const;
    });
    return Object.fromEntries(told);
  }

  async function findStatus(repository: string, branch: string) {
    return (await context.system.api.status({ repository, branch })).status.endpoints;
  }

  const expectVerdict = (repository: string, branch: string, verdict: string) =>
    vi.waitFor(async () => expect(await findStatus(repository, branch)).toMatchObject([{ verdict }]), waiting);

  async function findCollisions(): Promise<readonly string[]> {
    const { body } = await context.system.api.request("/v1/findings");
    const item = z.object({ kind: z.string(), subject: z.string() });
    const { items } = z.object({ items: z.array(item) }).parse(body);
    return items.flatMap(({ kind, subject }) => (kind === "name-collision" ? [subject] : []));
  }

  /** Pushes a branch whose group is made without an answer. */
  async function pushUnanswered(github: ReturnType<typeof open>, branch: string): Promise<string> {
    const after = makeRevision();
    context.endpoint.setMood("mute");
    await github.push({ branch, after });
    await vi.waitFor(
      async () => expect(Object.keys(await listGroups(github.name))).toContain(named(github, branch)),
      waiting,
    );
    return after;
  }

  const named = ({ name }: ReturnType<typeof open>, branch: string) => `${name}:${branch}:push`;

  it("is known again by its name and by what was sent: no second one is made", async () => {
    const github = open("found");
    await pushUnanswered(github, "dev/a");
    context.endpoint.setMood("honest");
    await expectVerdict(github.name, "dev/a", "verified");
    expect(await listGroups(github.name)).toEqual({ [named(github, "dev/a")]: ["alice", "bob"] });
  });

  it("is left alone where it holds others than were sent, stands as a finding, and is made anew once it is gone", async () => {
    const github = open("collision");
    await pushUnanswered(github, "dev/a");
    const { inside } = context.endpoint;
    const [group] = await inside.findGroups(`displayName eq "${named(github, "dev/a")}"`);
    await inside.patchMembers(group?.id ?? "", { add: [context.ids.get("mallory") ?? ""], remove: [] });
    context.endpoint.setMood("honest");
    await expectVerdict(github.name, "dev/a", "diverged");
    const [sync] = await context.system.api.listSyncs(
      (await context.system.branches.find({ repository: github.name, branch: "dev/a" })).id,
    );
    const details = JSON.stringify((await context.system.api.request(`/v1/syncs/${sync?.id ?? ""}`)).body);
    expect(details).toContain('"class":"name-collision"');
    expect(await findCollisions()).toEqual([`${github.name}:dev/a at foreign`]);
    expect(await listGroups(github.name)).toEqual({ [named(github, "dev/a")]: ["alice", "bob", "mallory"] });
    await inside.deleteGroup(group?.id ?? "");
    await context.system.api.request("/v1/syncs", {
      method: "POST",
      body: { repository: github.name, branch: "dev/a" },
    });
    await expectVerdict(github.name, "dev/a", "verified");
    expect(await listGroups(github.name)).toEqual({ [named(github, "dev/a")]: ["alice", "bob"] });
    expect(await findCollisions()).toEqual([]);
  });

  it("goes with a branch that was merged before the answer's loss was looked into: the older one's group takes the name", async () => {
    const github = open("merged");
    const head = makeRevision();
    await github.push({ branch: "dev/old", after: head });
    await expectVerdict(github.name, "dev/old", "verified");
    const [old] = await context.endpoint.inside.findGroups(`displayName eq "${named(github, "dev/old")}"`);
    context.endpoint.setMood("mute");
    await github.push({ branch: "dev/new", after: head });
    await vi.waitFor(async () => expect(Object.keys(await listGroups(github.name))).toHaveLength(2), waiting);
    await github.push({ branch: "dev/old", before: head });
    context.endpoint.setMood("honest");
    await vi.waitFor(
      async () => expect(await listGroups(github.name)).toEqual({ [named(github, "dev/new")]: ["alice", "bob"] }),
      waiting,
    );
    await expectVerdict(github.name, "dev/new", "verified");
    const [survivor] = await context.endpoint.inside.findGroups(`displayName eq "${named(github, "dev/new")}"`);
    expect(survivor?.id).toBe(old?.id);
  });

  it("is emptied with its branch, deleted before the loss was looked into", async () => {
    const github = open("deleted");
    const head = await pushUnanswered(github, "dev/a");
    await github.push({ branch: "dev/a", before: head });
    context.endpoint.setMood("honest");
    await vi.waitFor(async () => expect(Object.values(await listGroups(github.name))).toEqual([[]]), waiting);
  });
});
