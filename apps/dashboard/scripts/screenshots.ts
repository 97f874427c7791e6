/** `node apps/dashboard/scripts/screenshots.ts`: starts Branchward on a directory of its own, lets things happen, and draws every page into docs/images. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { ADMIN_TOKEN, CONFIGURATION, SECRETS, tellStory, type Story } from "./story.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const images = join(root, "docs", "images");

const WIDTHS = { 1280: 800, 390: 844 } as const;
const THEMES = ["light", "dark"] as const;

interface Server extends AsyncDisposable {
  readonly url: string;
}

async function startServer(directory: string): Promise<Server> {
  const child = spawn(process.execPath, [join(root, "apps", "cli", "src", "main.ts"), "start"], {
    cwd: directory,
    env: { ...process.env, ...SECRETS, BRANCHWARD_PORT: "0", BRANCHWARD_DATA_DIR: join(directory, "data") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return {
    url: await readUrl(child),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

async function readUrl(child: ChildProcess): Promise<string> {
  const output = { text: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output.text += chunk.toString();
    });
  }
  while (child.exitCode === null) {
    const url = /ready at (http:\/\/\S+)/u.exec(output.text)?.[1];
    if (url !== undefined) return url;
    await Promise.race([once(child.stdout ?? child, "data"), once(child.stderr ?? child, "data"), once(child, "exit")]);
  }
  throw new Error(`Branchward did not start:\n${output.text}`);
}

async function signIn(page: Page): Promise<void> {
  await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
  await page.keyboard.press("Enter");
  await page.locator('[data-live="live"]').first().waitFor({ state: "attached" });
}

/** Pages by the name of their picture. */
function listPages({ sync, branch, delivery }: Story): Readonly<Record<string, string>> {
  return {
    syncs: "/syncs",
    sync: `/syncs/${sync}?all=true`,
    branches: "/branches",
    branch: `/branches/${branch}`,
    deliveries: "/deliveries",
    delivery: `/deliveries/${delivery}`,
    endpoints: "/endpoints",
    access: "/access?user=alice&entitlement=push&branch=release%2F2.0&repository=acme%2Fweb",
    findings: "/findings",
  };
}

async function drawAll(browser: Browser, url: string, story: Story): Promise<void> {
  for (const [width, height] of Object.entries(WIDTHS)) {
    for (const theme of THEMES) {
      const viewport = { width: Number(width), height };
      const context = await browser.newContext({ baseURL: url, viewport, colorScheme: theme, reducedMotion: "reduce" });
      const page = await context.newPage();
      const draw = async (name: string): Promise<void> => {
        await page.screenshot({ path: join(images, `${name}-${width}-${theme}.png`) });
      };
      await page.goto("/");
      await page.getByLabel("Admin token").waitFor();
      await draw("sign-in");
      await signIn(page);
      for (const [name, path] of Object.entries(listPages(story))) {
        await page.goto(path);
        await page.locator("h1").waitFor();
        await page.locator('[data-live="live"]').first().waitFor({ state: "attached" });
        await page.getByText("Reading…").waitFor({ state: "detached" });
        await draw(name);
      }
      await context.close();
    }
  }
}

const directory = await mkdtemp(join(tmpdir(), "branchward-pictures-"));
try {
  await mkdir(images, { recursive: true });
  await writeFile(join(directory, "branchward.yaml"), CONFIGURATION);
  await using server = await startServer(directory);
  const story = await tellStory(server.url);
  await using browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
  });
  await drawAll(browser, server.url, story);
} finally {
  await rm(directory, { recursive: true, force: true });
}
