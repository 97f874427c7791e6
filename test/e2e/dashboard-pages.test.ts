/** Every page of the dashboard, in both themes and at two widths, against the rules that hold for all. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Dashboard, findAxeViolations, openDashboard } from "../support/dashboard.ts";
import { createGithubRepository, type GithubRepository, makeRevision } from "../support/deliveries.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

let system: TestSystem;
let dashboard: Dashboard;
let github: GithubRepository;

beforeAll(async () => {
  system = await startTestSystem();
  await addExamplePeople(system.people);
  github = createGithubRepository(system.post, "acme/web");
  for (const branch of ["main", "release/1.0"]) await github.push({ branch, after: makeRevision() });
  for (const item of await system.api.listBranches(github.name)) await system.branches.settle(item.id);
  dashboard = await openDashboard(system);
});

afterAll(async () => {
  await dashboard?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

describe.each(["light", "dark"] as const)("every page, %s", (colorScheme) => {
  it.each([1280, 390])("breaks no rule of accessibility, nor the policy, nor the width of %i px", async (width) => {
    const [delivery] = await system.api.listDeliveries();
    const branch = await system.branches.find({ repository: github.name, branch: "release/1.0" });
    const [sync] = await system.api.listSyncs(branch.id);
    const access = `/access?user=alice&entitlement=push&branch=release%2F1.0&repository=${encodeURIComponent(github.name)}`;
    const pages = {
      "/syncs": "Syncs",
      "/syncs?verdict=held": "Syncs",
      [`/syncs/${sync?.id ?? ""}?all=true`]: "release/1.0",
      "/branches": "Branches",
      [`/branches/${branch.id}`]: "release/1.0",
      "/deliveries": "Deliveries",
      [`/deliveries/${delivery?.id ?? ""}`]: "from",
      "/endpoints": "Endpoints",
      "/findings": "Findings",
      [access]: "Access",
      "/nowhere": "There is no such page",
    };
    await using visited = await dashboard.visit("/syncs", {
      colorScheme,
      reducedMotion: "reduce",
      viewport: { width, height: 900 },
    });
    const { page, faults } = visited;
    await page.getByLabel("Admin token").waitFor();
    expect(await findAxeViolations(page)).toEqual([]);
    await dashboard.signIn(page);
    for (const [path, heading] of Object.entries(pages)) {
      await page.goto(path);
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      await page.getByText("Reading…").waitFor({ state: "detached" });
      expect({ path, violations: await findAxeViolations(page) }).toEqual({ path, violations: [] });
      const scrollWidth = await page.evaluate("document.documentElement.scrollWidth");
      expect({ path, fits: Number(scrollWidth) <= width }).toEqual({ path, fits: true });
    }
    expect(faults).toEqual([]);
  });
});
