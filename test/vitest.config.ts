/** Unit tests start nothing. The others share one PostgreSQL and one Redis, started when the run holds at least one of them. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL("..", import.meta.url));
const exclude = ["**/node_modules/**", "test/fixtures/**"];

export default defineConfig({
  root,
  test: {
    // Two, as on the smallest machine the project is run on: integration tests bring servers of their own.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{apps,packages}/**/*.test.{ts,tsx}", "test/support/**/*.test.ts"],
          exclude: [...exclude, "**/*.int.test.ts"],
          // For a busy machine: properties that take a second on an idle one.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["{apps,packages,test}/**/*.int.test.ts", "test/{e2e,faults,conformance,model}/**/*.test.ts"],
          exclude,
          globalSetup: ["test/support/services.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
