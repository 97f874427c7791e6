#!/usr/bin/env node
/** The command `branchward`. It never installs anything: that is what `npm start` does. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./find-node.js";
import { exitConfiguration, runProgram } from "./run-program.js";

if (existsSync(join(root, "node_modules", "commander"))) {
  await runProgram("apps/cli/src/main.ts", process.argv.slice(2));
} else {
  console.error("branchward: this checkout is not set up. Run `npm start` in it once.");
  process.exitCode = exitConfiguration;
}
