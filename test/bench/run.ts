/** `npm run bench`: figures of a running system, on this machine, now. Nothing here is asserted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchDecisions, benchPushes } from "./enforce.ts";
import { benchHooks } from "./hooks.ts";
import { benchLists } from "./lists.ts";
import { measureMemory } from "./memory.ts";
import { benchPlan } from "./plan.ts";
import { benchReceiver } from "./receiver.ts";
import { benchScim } from "./scim.ts";

const MAIN = join(import.meta.dirname, "..", "..", "apps", "cli", "src", "main.ts");
const ADMIN_TOKEN = "bench-admin-token-0123456789";
const SECRET = "bench-secret-0123456789";

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly readyMs: number;
}

/** Runs `branchward start` on a data directory of its own. */
async function startServer(dataDir: string): Promise<Server> {
  const startedAt = performance.now();
  const env = {
    ...process.env,
    BRANCHWARD_DATA_DIR: dataDir,
    BRANCHWARD_PORT: "0",
    BRANCHWARD_ADMIN_TOKEN: ADMIN_TOKEN,
    BRANCHWARD_AGENT_SECRET: SECRET,
    GITHUB_WEBHOOK_SECRET: SECRET,
    DATABASE_URL: undefined,
    REDIS_URL: undefined,
  };
  const child = spawn(process.execPath, [MAIN, "start"], { env, cwd: dataDir, stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = /ready.* at \S*?(http:\/\/[\d.:]+)/u.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`start ended with ${String(code)}: ${text}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    readyMs: performance.now() - startedAt,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

function report(name: string, figures: Readonly<Record<string, number>>, unit: string): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toFixed(value < 10 ? 1 : 0)}`);
  console.log(`${name.padEnd(58)} ${text.join("  ")} ${unit}`);
}

const directory = await mkdtemp(join(tmpdir(), "branchward-bench-"));
try {
  {
    await using first = await startServer(directory);
    report("first start, cluster made, to ready", { wall: first.readyMs }, "ms");
  }
  await using server = await startServer(directory);
  report("second start, to ready", { wall: server.readyMs }, "ms");
  report("idle memory, sum of PSS over the process tree", { pss: await measureMemory(server.pid) }, "MB");
  const target = { url: server.url, secret: SECRET, token: ADMIN_TOKEN };
  report("hook to verified verdict, idle, git push of a new branch", await benchHooks(target, directory), "ms");
  for (const [push, figures] of await benchPushes(target, directory)) report(push, figures, "ms");
  report("receiver, 16 in flight, 100 branches", await benchReceiver(target, 100), "ms");
  report("receiver, 16 in flight, one branch", await benchReceiver(target, 1), "ms");
  await benchScim(target, report);
  report("memory after that", { pss: await measureMemory(server.pid) }, "MB");
  for (const [question, figures] of await benchLists(directory)) {
    report(`list of 100,000 syncs, ${question}`, figures, "ms");
  }
  for (const [change, figures] of await benchPlan(directory)) {
    report(`policy plan, 10,000 branches: ${change}`, figures, "ms");
  }
  for (const [question, figures] of await benchDecisions(directory)) {
    report(`10,000 branches, 50,000 users, ${question}`, figures, "ms");
  }
  for (const [change, figures] of await benchPlan(directory)) {
    report(`policy plan, 10,000 branches: ${change}`, figures, "ms");
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
