/** An environment is born with its branch and ends with it. */
import { branchEntitlementSchema } from "@branchward/core";
import { toEqualityFilter } from "@branchward/scim";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const POLICY = `
policy:
  - repositories: ["**"]
    branches: ["feature/**"]
    grants:
      - { entitlement: "environment:preview", to: ["group:engineering"] }
`;
const REPOSITORY = "acme/web";
const PATIENCE = { timeout: 20_000, interval: 50 };

describe("an environment", () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ policy: POLICY, pairingWindow: "500ms" });
    await system.people.addUsers("alice", "bob");
    await system.people.addGroup("engineering", ["alice", "bob"]);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const groupsOf = async (incarnation: string) =>
    (await system.scim.findGroups(toEqualityFilter(`${branchEntitlementSchema}:incarnation`, incarnation))).map(
      ({ displayName, members = [] }) => ({ displayName, members: members.length }),
    );

  it("is born with the branch, emptied with it, and gone once no rename can bring it back", async () => {
    const repository = createGithubRepository(system.post, REPOSITORY);
    const head = makeRevision();
    await repository.push({ branch: "feature/x", after: head });
    const { id } = await system.branches.find({ repository: REPOSITORY, branch: "feature/x" });
    await vi.waitFor(
      async () =>
        expect(await groupsOf(id)).toEqual([
          { displayName: `${REPOSITORY}:feature/x:environment:preview`, members: 2 },
        ]),
      PATIENCE,
    );
    await repository.push({ branch: "feature/x", before: head });
    await system.branches.find({ repository: REPOSITORY, branch: "feature/x" }, "deleted");
    await vi.waitFor(async () => expect(await groupsOf(id)).toEqual([]), PATIENCE);
    await repository.push({ branch: "feature/x", after: makeRevision() });
    const again = await system.branches.find({ repository: REPOSITORY, branch: "feature/x" });
    expect(again.id).not.toBe(id);
    await vi.waitFor(async () => expect(await groupsOf(again.id)).toMatchObject([{ members: 2 }]), PATIENCE);
    expect(await groupsOf(id)).toEqual([]);
  });

  it("is nobody's on a branch that has none", async () => {
    await createGithubRepository(system.post, "acme/api").push({ branch: "main", after: makeRevision() });
    await system.branches.find({ repository: "acme/api", branch: "main" });
    const query = new URLSearchParams({
      user: "alice",
      repository: "acme/api",
      branch: "main",
      entitlement: "environment:preview",
    });
    expect((await system.api.request(`/v1/access?${query.toString()}`)).body).toMatchObject({
      allowed: false,
      governed: false,
    });
  });
});
