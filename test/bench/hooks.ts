import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { deliveryItem, page, syncItem } from "@branchward/core/api";
import { installHooks } from "@branchward/vcs/hooks";
import { summarize, type Target } from "./figures.ts";

const run = promisify(execFile);
const PUSHES = 40;

/** From the hook's clock to the recorded verdict, one push at a time on a system that does nothing else. */
export async function benchHooks(target: Target, directory: string): Promise<ReturnType<typeof summarize>> {
  const server = join(directory, "bench", "hooks.git");
  const clone = join(directory, "clone");
  const env = { PATH: process.env["PATH"], HOME: directory };
  const git = (...args: readonly string[]) => run("git", args, { cwd: clone, env });
  await run("git", ["init", "--quiet", "--bare", server], { env });
  await run("git", ["clone", "--quiet", server, clone], { env });
  await git("config", "user.name", "Alice Adams");
  await git("config", "user.email", "alice@example.com");
  await git("commit", "--quiet", "--allow-empty", "-m", "first");
  const source = { source: "agents", secretFile: null, secret: target.secret, repository: null };
  await installHooks({ path: server, role: "server", env, url: target.url, ...source, nodePath: process.execPath });
  const times: number[] = [];
  for (let index = 0; index < PUSHES; index += 1) {
    const branch = `dev/bench-${index}`;
    await git("push", "--quiet", "origin", `HEAD:refs/heads/${branch}`);
    times.push(await measure(target, branch));
  }
  return summarize(times);
}

/** The delivery's own clock against the sync's, both of this machine. */
async function measure(target: Target, branch: string): Promise<number> {
  for (;;) {
    const { items: syncs } = page(syncItem).parse(await get(target, `/v1/syncs?branch=${encodeURIComponent(branch)}`));
    const [sync] = syncs;
    if (sync !== undefined) {
      const { items } = page(deliveryItem).parse(await get(target, "/v1/deliveries?limit=1"));
      const occurredAt = items[0]?.occurredAt ?? null;
      return new Date(sync.finishedAt).getTime() - new Date(occurredAt ?? sync.requestedAt).getTime();
    }
    await pause(50);
  }
}

async function get({ url, token }: Target, path: string): Promise<unknown> {
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  return response.json();
}
