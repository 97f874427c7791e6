/** `npm run bench`: figures of a running system, on this machine, now. Nothing here is asserted. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchBridge } from "./bridge.ts";
import { benchDecisions } from "./enforce.ts";
import { benchFanOut } from "./fan-out.ts";
import { benchHooks } from "./hooks.ts";
import { benchLists } from "./lists.ts";
import { measureMemory } from "./memory.ts";
import { benchPlan } from "./plan.ts";
import { benchPushes } from "./pushes.ts";
import { benchReceiver } from "./receiver.ts";
import { benchScim } from "./scim.ts";
import { ADMIN_TOKEN, SECRET, startServer } from "./server.ts";
import { benchSyncs } from "./syncs.ts";

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
  await benchSyncs(directory, report);
  for (const [question, figures] of await benchLists(directory)) {
    report(`list of 100,000 syncs, ${question}`, figures, "ms");
  }
  for (const [question, figures] of await benchDecisions(directory)) {
    report(`10,000 branches, 50,000 users, ${question}`, figures, "ms");
  }
  for (const [change, figures] of await benchPlan(directory)) {
    report(`policy plan, 10,000 branches: ${change}`, figures, "ms");
  }
  const fanOut = await benchFanOut(directory);
  report("index of 10,000 branches, after a policy version", fanOut.index, "ms");
  for (const [what, figures] of fanOut.changes) report(`one of 50,000 users changes, ${what}`, figures, "ms");
  const bridge = await benchBridge(await mkdtemp(join(directory, "bridge-")));
  report("Mercurial bridge, PATCH of one member, 5,000 users", bridge.patch, "ms");
  report("Mercurial, a change of members and the push that it lets in", bridge.hgPush, "ms");
  report("Mercurial, the push alone", bridge.hgPushAlone, "ms");
  report("gitolite, a change of members and the push that it lets in", bridge.gitPush, "ms");
  report("gitolite, the push alone", bridge.gitPushAlone, "ms");
} finally {
  await rm(directory, { recursive: true, force: true });
}
