/** The dashboard as people use it: Chromium on the whole system. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Dashboard, openDashboard } from "../support/dashboard.ts";
import {
  AGENT_SECRET,
  createGithubRepository,
  type GithubRepository,
  makeRevision,
  signAgent,
  toCheckoutBody,
} from "../support/deliveries.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const SCRIPT_NAME = 'dev/<script>alert("branchward")</script>';
const RTL_NAME = "dev/الإصدار-القادم";
const LONG_NAME = `dev/${"long-".repeat(800)}`;

/** Checkouts that agents tell of are of the repository that GitHub tells of. */
const ONE_REPOSITORY = `
repositories:
  - { name: acme/web, authority: github, sources: [github, agents] }
`;

let system: TestSystem;
let dashboard: Dashboard;
let github: GithubRepository;

beforeAll(async () => {
  system = await startTestSystem({ policy: `${ONE_REPOSITORY}\n${EXAMPLE_POLICY}` });
  await addExamplePeople(system.people);
  github = createGithubRepository(system.post, "acme/web");
  for (const branch of ["main", "release/1.0", SCRIPT_NAME, RTL_NAME, LONG_NAME]) {
    await github.push({ branch, after: makeRevision() });
  }
  const body = toCheckoutBody({ repository: github.name, branch: "main" });
  await system.post("agents", signAgent({ body, secret: AGENT_SECRET }), body);
  for (const item of await system.api.listBranches(github.name)) await system.branches.settle(item.id);
  dashboard = await openDashboard(system);
});

afterAll(async () => {
  await dashboard?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const rowOf = (page: Page, name: string) => page.getByRole("row").filter({ hasText: name });

describe("signing in", () => {
  it("refuses another token and says so, takes the admin's, and shows the page that was asked for", async () => {
    await using visited = await dashboard.visit("/branches");
    const { page, faults } = visited;
    await page.getByLabel("Admin token").fill("not-the-token-of-anybody");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await dashboard.signIn(page);
    await page.getByRole("heading", { level: 1, name: "Branches" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/branches");
    expect(faults).toEqual([]);
  });

  it("lets no script read the session", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs");
    expect(await visited.page.evaluate("document.cookie")).toBe("");
  });

  it("stands over the page when the session ends in mid-action, and the action goes through after it", async () => {
    const [delivery] = await system.api.listDeliveries();
    await using visited = await dashboard.visitSignedIn(`/deliveries/${delivery?.id ?? ""}`);
    const { page } = visited;
    await page.context().clearCookies();
    await page.getByRole("button", { name: "Replay" }).click();
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    await dialog.waitFor();
    await dialog.getByLabel("Admin token").fill(system.adminToken);
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Replays" }).waitFor();
    const { body } = await system.api.request(`/v1/deliveries/${delivery?.id ?? ""}`);
    expect(body).toMatchObject({ replays: [{ by: "admin" }] });
  });
});

describe("the syncs", () => {
  it("show a new one without a reload", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs");
    const { page } = visited;
    await rowOf(page, "main").first().waitFor();
    await github.push({ branch: "dev/live", after: makeRevision() });
    await rowOf(page, "dev/live").first().waitFor();
    expect(await page.evaluate("performance.getEntriesByType('navigation').length")).toBe(1);
  });

  it("keep their filters in the address, and the back button takes them off", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs");
    const { page } = visited;
    await page.getByRole("button", { name: "held" }).click();
    await page.getByText("No sync fits these filters").waitFor();
    expect(new URL(page.url()).search).toBe("?verdict=held");
    await page.goBack();
    await rowOf(page, "main").first().waitFor();
    expect(new URL(page.url()).search).toBe("");
    expect(await page.getByRole("button", { name: "held" }).getAttribute("aria-pressed")).toBe("false");
  });

  it("show to whom a link is sent what its sender saw", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs?q=release&verdict=verified");
    const { page } = visited;
    await rowOf(page, "release/1.0").first().waitFor();
    expect(await rowOf(page, "main").count()).toBe(0);
    expect(await page.getByRole("searchbox").inputValue()).toBe("release");
  });

  it("are walked through with j and k and opened with Enter", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs");
    const { page } = visited;
    await rowOf(page, "main").first().waitFor();
    for (const key of ["j", "j", "k"]) await page.keyboard.press(key);
    const first = await page.locator("[data-row]").first().getAttribute("href");
    expect(await page.evaluate("document.activeElement.getAttribute('href')")).toBe(first);
    await page.keyboard.press("Enter");
    await page.waitForURL(`**${first ?? ""}`);
  });

  it("open one by one: where its time went, and who gained what and why", async () => {
    // The run that wrote: a later look that finds all as it ought to be reads nothing back.
    const { id } = await system.branches.find({ repository: github.name, branch: "release/1.0" });
    const wrote = (await system.api.listSyncs(id)).find((sync) => sync.added > 0);
    await using visited = await dashboard.visitSignedIn("/syncs?q=release");
    const { page } = visited;
    await page.locator(`[data-row][href="/syncs/${wrote?.id ?? ""}"]`).click();
    await page.getByRole("heading", { name: "Where the time went" }).waitFor();
    const timeline = page.getByRole("list", { name: "Timeline" });
    for (const part of ["wait in the queue", "read the endpoint", "read back and compare"]) {
      await timeline.getByText(part).waitFor();
    }
    await page.getByRole("button", { name: "Everybody" }).click();
    const diff = page.getByRole("list", { name: "Members, desired and actual" });
    const alice = diff.getByRole("listitem").filter({ hasText: "alice" }).first();
    await alice.getByText("release-managers").waitFor();
    expect(await diff.getByText("carol").count()).toBe(0);
  });
});

describe("names from outside", () => {
  it("are text, whatever they hold", async () => {
    await using visited = await dashboard.visitSignedIn("/branches");
    const { page, faults } = visited;
    await page.getByRole("link", { name: SCRIPT_NAME, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: SCRIPT_NAME }).waitFor();
    expect(faults).toEqual([]);
  });

  it("do not turn the page around them when they read from right to left", async () => {
    await using visited = await dashboard.visitSignedIn("/branches");
    await visited.page.getByText(RTL_NAME).waitFor();
    expect(await visited.page.locator("bdi", { hasText: RTL_NAME }).count()).toBe(1);
  });

  it.each([1280, 390])("of 4 KB widen no page at %i px", async (width) => {
    const long = (await system.api.listBranches(github.name, LONG_NAME))[0];
    await using visited = await dashboard.visitSignedIn("/branches", { viewport: { width, height: 800 } });
    const { page } = visited;
    for (const path of ["/syncs", "/branches", `/branches/${long?.id ?? ""}`]) {
      await page.goto(path);
      await page.getByText("long-long-").first().waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    }
  });
});

describe("a branch", () => {
  it("says who holds what, by which line of the policy, and who stands on it", async () => {
    const branch = await system.branches.find({ repository: github.name, branch: "main" });
    await using visited = await dashboard.visitSignedIn(`/branches/${branch.id}`);
    const holders = visited.page.getByRole("list", { name: "Holders" });
    const alice = holders.getByRole("listitem").filter({ hasText: "alice" }).first();
    await alice.waitFor();
    expect(await alice.innerText()).toMatch(/push\s+group:engineering[^]*branchward\.yaml:\d+/u);
    await visited.page.getByText("by its own claim").waitFor();
  });
});

describe("the question of access", () => {
  it("is answered with its reasons, and has an address of its own", async () => {
    await using visited = await dashboard.visitSignedIn("/access");
    const { page } = visited;
    const answers = { May: "carol", do: "push", "on the branch": "release/1.0", "of the repository": github.name };
    for (const [label, value] of Object.entries(answers)) await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText("carol may not push release/1.0").waitFor();
    await page.getByText("group:contractors").waitFor();
    await page.goto(page.url().replace("carol", "alice"));
    await page.getByText("alice may push release/1.0").waitFor();
    expect(await page.getByLabel("May", { exact: true }).inputValue()).toBe("alice");
    await page.getByLabel("at (left empty: now)").fill(toLocalTime(new Date(Date.now() - 1_000)));
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText("alice could push release/1.0").waitFor();
  });
});

describe("the palette", () => {
  it("finds a branch by part of its name", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs");
    const { page } = visited;
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog").getByRole("combobox").fill("release/");
    await page.getByRole("option").filter({ hasText: "release/1.0" }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "release/1.0" }).waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
  });
});

describe("the theme", () => {
  const background = "getComputedStyle(document.documentElement).backgroundColor";

  it("is the system's until one is chosen, and what was chosen holds after a reload, from the first paint on", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs", { colorScheme: "light" });
    const { page } = visited;
    const light = await page.evaluate(background);
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await page.evaluate(background);
    expect(dark).not.toBe(light);
    await page.getByRole("button", { name: "Light", exact: true }).click();
    expect(await page.evaluate(background)).toBe(light);
    await page.route("**/assets/*.js", (route) => route.abort());
    await page.reload();
    expect(await page.evaluate(background)).toBe(light);
  });
});

describe("while the server is away", () => {
  it("the page says so and shows what it knew, and goes on by itself when the server is back", async () => {
    await using visited = await dashboard.visitSignedIn("/syncs");
    const { page } = visited;
    await rowOf(page, "main").first().waitFor();
    await system.stop();
    await page.getByText("The server is away.").waitFor();
    expect(await rowOf(page, "main").count()).toBeGreaterThan(0);
    await system.start();
    await page.locator('[data-live="live"]').first().waitFor({ state: "attached" });
    await github.push({ branch: "dev/after", after: makeRevision() });
    await rowOf(page, "dev/after").first().waitFor();
    expect(await page.getByText("The server is away.").count()).toBe(0);
  });
});

/** As a `datetime-local` field takes it. */
function toLocalTime(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
