/**
 * The hook agent: `node agent.js HOOK [ARGUMENT…]`, started detached by the hook scripts. It writes what the hook saw to
 * the spool and then sends what is pending. It depends on nothing but Node (20.16 or newer), since it is copied into
 * repositories, and never says anything to the user: what goes wrong stands in `agent.log` of its home.
 */
import { openHome } from "./home.js";
import { sendPending } from "./send.js";
import { createSpool } from "./spool.js";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");
const { performance } = process.getBuiltinModule("node:perf_hooks");
const { randomUUID } = process.getBuiltinModule("node:crypto");

const observers = {
  "post-checkout": async (hook) => (await import("./git-checkout.js")).observeCheckout(hook),
  "post-receive": async (hook) => (await import("./git-receive.js")).observeReceive(hook),
  update: async (hook) => (await import("./hg-update.js")).observeUpdate(hook),
  "post-update": async (hook) => (await import("./hg-update.js")).observeUpdate(hook),
  transaction: async (hook) => (await import("./hg-transaction.js")).observeTransaction(hook),
};

/** When the hook ran, by the file that it made then; undefined where it could make none. In milliseconds. */
function takeTimeOfHook(file) {
  if (file === undefined) return undefined;
  const ranAt = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  fs.rmSync(file, { force: true });
  return ranAt;
}

// The terminal may go away, and Ctrl-C is meant for the user's next command: neither ends what nobody sees.
for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT"]) process.on(signal, () => undefined);

const home = openHome(path.dirname(import.meta.dirname), process.env);
try {
  const [name = "", ...args] = process.argv.slice(2);
  const spool = createSpool(home);
  // What the hook saw takes a little longer to find out.
  const at = Math.round(takeTimeOfHook(process.env.BRANCHWARD_RAN) ?? performance.timeOrigin);
  const config = home.readJson("config.json");
  const hook = { name, args, env: process.env, cwd: process.cwd(), at, config, home };
  const events = (await observers[name]?.(hook)) ?? [];
  for (const [index, { id = randomUUID(), ...event }] of events.entries()) {
    spool.put({ id, at, index, body: JSON.stringify(event) });
  }
  await sendPending(home, spool);
} catch (error) {
  home.log(`failed: ${process.argv.slice(2).join(" ")}: ${error.stack}`);
}
