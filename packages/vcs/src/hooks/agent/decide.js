/**
 * The hook that decides: `node decide.js`, waited for by git, which reads what `look` of the hook script says. It depends on
 * nothing but Node (20.16 or newer). Whatever goes wrong refuses the push and says so: a decision that could not be made is
 * no permission.
 */
import { readChanges } from "./git-changes.js";
import { openHome } from "./home.js";
import { decidePush, toLine } from "./push-decision.js";
import { findUser } from "./pusher.js";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

async function decide(home) {
  const { env } = process;
  const changes = readChanges(fs.readFileSync(0));
  if (changes.length === 0) return { allowed: true, lines: [] };
  const config = home.readJson("config.json");
  return await decidePush({ home, config, user: findUser(config.enforce.userFrom, env), changes });
}

async function run() {
  try {
    const home = openHome(path.dirname(import.meta.dirname));
    return await decide(home);
  } catch (error) {
    return { allowed: false, lines: [`this push could not be decided, and is refused: ${error.message}`] };
  }
}

const { allowed, lines } = await run();
// Opening the stream takes a millisecond, and most pushes have nothing to be told.
if (lines.length > 0) process.stderr.write(lines.map((line) => `${toLine(line)}\n`).join(""));
// A look-up of a name may still be under way, which nobody waits for.
process.exit(allowed ? 0 : 1);
