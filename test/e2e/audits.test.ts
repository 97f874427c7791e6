/** Scheduled audits and what they find (rules C7, C9): nobody asks, and drift is found all the same. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createGithubRepository, type GithubRepository, makeRevision } from "../support/deliveries.ts";
import { type ScriptedEndpoint, startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const patience = { timeout: 20_000, interval: 50 };
const repository = "acme/audited";

describe("audits", () => {
  const stack = new AsyncDisposableStack();
  let system: TestSystem;
  let github: GithubRepository;
  let repaired: ScriptedEndpoint;
  let reported: ScriptedEndpoint;

  beforeAll(async () => {
    [repaired, reported] = [stack.use(await startScriptedEndpoint()), stack.use(await startScriptedEndpoint())];
    for (const { inside } of [repaired, reported]) {
      for (const userName of ["alice", "bob", "mallory"]) await inside.createUser({ userName, active: true });
    }
    const rest = `
endpoints:
  - { name: repaired, url: "${repaired.url}", token: { env: FOREIGN_TOKEN } }
  - { name: reported, url: "${reported.url}", token: { env: FOREIGN_TOKEN }, drift: report }
audit: { interval: 1s, budget: 1 }
`;
    system = stack.use(
      await startTestSystem({
        policy: `${EXAMPLE_POLICY}${rest}`,
        secretEnv: { FOREIGN_TOKEN: "token" },
        pairingWindow: "1s",
      }),
    );
    github = createGithubRepository(system.post, repository);
    await addExamplePeople(system.people);
  });
  afterAll(() => stack.disposeAsync());

  async function getGroup({ inside }: ScriptedEndpoint, branch: string) {
    const [group] = await inside.findGroups(`displayName eq "${repository}:${branch}:push"`);
    if (group === undefined) throw new Error(`no group for ${branch}`);
    const users = new Map((await inside.findUsers(undefined)).map((user) => [user.id, user.userName]));
    return { id: group.id, names: (group.members ?? []).map(({ value }) => users.get(value) ?? value).toSorted() };
  }

  async function setUp(branch: string): Promise<void> {
    await github.push({ branch, after: makeRevision() });
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository, branch });
      expect(status.state).toBe("in_sync");
      // The groups of the directory may yet be new, and whoever is in them to come.
      for (const endpoint of [repaired, reported])
        expect((await getGroup(endpoint, branch)).names).toEqual(["alice", "bob"]);
    }, patience);
  }

  async function add({ inside }: ScriptedEndpoint, branch: string, userName: string): Promise<void> {
    const [user] = await inside.findUsers(`userName eq "${userName}"`);
    const { id } = await getGroup({ inside } as ScriptedEndpoint, branch);
    await inside.patchMembers(id, { add: [user?.id ?? ""], remove: [] });
  }

  it("find an outsider whom nobody told of, and say that it was drift", async () => {
    await setUp("dev/quiet");
    await add(repaired, "dev/quiet", "mallory");
    await vi.waitFor(
      async () => expect((await getGroup(repaired, "dev/quiet")).names).toEqual(["alice", "bob"]),
      patience,
    );
    await vi.waitFor(async () => {
      const { body } = await system.api.request("/v1/syncs?reason=audit&endpoint=repaired");
      expect(JSON.stringify(body)).toContain('"removed":1');
    }, patience);
  });

  it("make a group anew that somebody deleted", async () => {
    await setUp("dev/gone");
    await repaired.inside.deleteGroup((await getGroup(repaired, "dev/gone")).id);
    await vi.waitFor(
      async () => expect((await getGroup(repaired, "dev/gone")).names).toEqual(["alice", "bob"]),
      patience,
    );
  });

  it("remove what a restored backup brings back of a branch that has nothing there any more", async () => {
    await setUp("dev/moved");
    const { inside } = repaired;
    const [group] = await inside.findGroups(`displayName eq "${repository}:dev/moved:push"`);
    const { displayName = "", externalId = "" } = group ?? {};
    const find = () => inside.findGroups(`externalId eq "${externalId}"`);
    const { id, head } = await system.branches.find({ repository, branch: "dev/moved" });
    await github.push({ branch: "dev/moved", before: head, after: null });
    await github.push({ branch: "nowhere/in/policy", after: head });
    expect((await system.branches.find({ repository, branch: "nowhere/in/policy" })).id).toBe(id);
    await vi.waitFor(async () => expect(await find()).toEqual([]), patience);
    // Whoever was granted it once might be kept by the guards (rule C1).
    const [mallory] = await inside.findUsers(`userName eq "mallory"`);
    await inside.createGroup({ displayName, externalId, members: [{ value: mallory?.id ?? "" }] });
    await vi.waitFor(async () => expect(await find()).toEqual([]), patience);
  });

  it("leave drift where the endpoint only reports it, but take access from the deactivated", async () => {
    await setUp("dev/told");
    await add(reported, "dev/told", "mallory");
    await vi.waitFor(async () => {
      const findings = await system.api.listFindings();
      expect(findings.filter(({ kind }) => kind === "drift")).toMatchObject([
        { subject: `${repository}:dev/told at reported` },
      ]);
    }, patience);
    expect((await getGroup(reported, "dev/told")).names).toEqual(["alice", "bob", "mallory"]);
    const { status } = await system.api.status({ repository, branch: "dev/told" });
    expect(status.state).toBe("diverged");
    await system.people.setActive("bob", false);
    await vi.waitFor(
      async () => expect((await getGroup(reported, "dev/told")).names).toEqual(["alice", "mallory"]),
      patience,
    );
    await system.people.setActive("bob", true);
    await vi.waitFor(
      async () => expect((await getGroup(reported, "dev/told")).names).toEqual(["alice", "bob", "mallory"]),
      patience,
    );
  });

  it("park a scope whose drift comes back as often as it is repaired, and say so", async () => {
    await setUp("dev/flap");
    const isParked = async () => (await system.api.listFindings()).some(({ kind }) => kind === "flapping");
    await vi.waitFor(async () => {
      if (await isParked()) return;
      const { names } = await getGroup(repaired, "dev/flap");
      if (!names.includes("mallory")) await add(repaired, "dev/flap", "mallory");
      throw new Error("not parked yet");
    }, patience);
    expect((await getGroup(repaired, "dev/flap")).names).toContain("mallory");
    await system.people.setActive("alice", false);
    await vi.waitFor(
      async () => expect((await getGroup(repaired, "dev/flap")).names).toEqual(["bob", "mallory"]),
      patience,
    );
  });
});
