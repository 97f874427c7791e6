/** What `npm start`, `demo`, `test`, `test:model`, `check` and `bench` run: brings node_modules in step with package-lock.json and the dashboard with its sources, then starts the program. */
import { buildDashboard } from "./build-dashboard.js";
import { installPackages } from "./install-packages.js";
import { followNpm } from "./follow-npm.js";
import { exitConfiguration, runProgram } from "./run-program.js";

const turboArgs = ["run", "check:types", "check:lint", "check:format", "check:unused", "--ui=stream", "--continue"];

const programs = {
  start: (args) => {
    if (process.env.npm_lifecycle_event !== undefined) followNpm();
    return runProgram("apps/cli/src/main.ts", ["start", ...args]);
  },
  demo: (args) => runProgram("apps/cli/src/main.ts", ["demo", ...args]),
  test: (args) => runProgram("test/support/run-tests.ts", args),
  model: (args) => {
    process.env.MODEL_SCHEDULES ??= "10000";
    return runProgram("test/support/run-tests.ts", ["test/model", ...args]);
  },
  check: (args) => runProgram("node_modules/turbo/bin/turbo", [...turboArgs, ...args]),
  bench: (args) => runProgram("test/bench/run.ts", args),
};

/** Programs that serve the dashboard. */
const withDashboard = ["start", "demo", "test"];

const [name, ...args] = process.argv.slice(2);
const program = Object.hasOwn(programs, name ?? "") ? programs[name] : undefined;
if (program === undefined) {
  console.error(`usage: node apps/cli/bin/setup.js <${Object.keys(programs).join("|")}> [arguments]`);
  process.exitCode = 2;
} else if (await installPackages()) {
  if (withDashboard.includes(name)) await buildDashboard();
  process.env.TURBO_TELEMETRY_DISABLED = "1";
  await program(args);
} else {
  process.exitCode = exitConfiguration;
}
