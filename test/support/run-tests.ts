/** `npm test`: makes sure that the real programs the tests run are there, runs every test, and says how many passed. */
import { join } from "node:path";
import { ensureTools } from "@branchward/cli/tools";
import { parseCLI, startVitest, type Vitest } from "vitest/node";

/** Every test counts once. A file that could not be loaded, and an error outside of any test, count as one failed. */
function countResults(vitest: Vitest): { readonly passed: number; readonly failed: number; readonly skipped: number } {
  const counts = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 };
  for (const testModule of vitest.state.getTestModules()) {
    const before = counts.failed;
    for (const test of testModule.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") counts.passed += 1;
      else if (state === "skipped") counts.skipped += 1;
      else counts.failed += 1;
    }
    if (testModule.state() === "failed" && counts.failed === before) counts.failed += 1;
  }
  return counts;
}

async function runTests(args: readonly string[]): Promise<number> {
  const { filter, options } = parseCLI(["vitest", "run", ...args]);
  const config = join(import.meta.dirname, "..", "vitest.config.ts");
  const vitest = await startVitest(filter, { ...options, config, run: true, watch: false });
  await vitest.close();
  const { passed, failed, skipped } = countResults(vitest);
  if (skipped > 0) console.log(`${skipped} skipped`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

try {
  const services = ["redis-server", "pg_ctlcluster", "chromium", "nginx", "uwsgi", "sshd", "openssl"] as const;
  await ensureTools(["git", "hg", "gitolite", ...services], (line) => console.log(line));
  process.exitCode = await runTests(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  // sysexits(3) EX_CONFIG
  process.exitCode = 78;
}
