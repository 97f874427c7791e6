/** SIGTERM, as supervisors and rolling updates send it, while a write is under way. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createScimClient } from "@branchward/scim";
import { findFreePort } from "@branchward/runtime/postgres";
import { openTestDatabase } from "@branchward/store/testing";
import { expect, it, vi } from "vitest";
import { createTestApi } from "../support/api.ts";
import { createGithubRepository, createPost, GITHUB_SECRET, makeRevision } from "../support/deliveries.ts";
import { createPeople } from "../support/people.ts";
import { startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { startServerProcess } from "../support/server-process.ts";

const ADMIN_TOKEN = "admin-token-of-the-tests";
const waiting = { timeout: 20_000, interval: 25 };

it("a process that is told to end lets its write come to its end, proves it, and leaves nothing to do", async () => {
  await using stack = new AsyncDisposableStack();
  const cwd = await mkdtemp(join(tmpdir(), "branchward-terminate-"));
  stack.defer(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
  const database = stack.use(await openTestDatabase());
  const endpoint = stack.use(await startScriptedEndpoint());
  await endpoint.inside.createUser({ userName: "alice", active: true });
  await writeFile(
    join(cwd, "branchward.yaml"),
    `
sources:
  - { name: github, type: github, secret: { env: GITHUB_SECRET } }
endpoints:
  - { name: foreign, url: "${endpoint.url}", token: { env: FOREIGN_TOKEN } }
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["user:alice"] }
`,
  );
  const port = await findFreePort();
  const env = {
    BRANCHWARD_PORT: String(port),
    BRANCHWARD_DATA_DIR: join(cwd, "data"),
    BRANCHWARD_ADMIN_TOKEN: ADMIN_TOKEN,
    DATABASE_URL: database.url,
    FOREIGN_TOKEN: "token",
    GITHUB_SECRET,
  };
  const url = `http://127.0.0.1:${port}`;
  const first = stack.use(await startServerProcess({ cwd, env }));
  const scim = createScimClient({
    url: `${url}/scim/v2`,
    token: () => ADMIN_TOKEN,
    deadlineMs: 10_000,
    maxBytes: 1 << 20,
  });
  await createPeople(scim, async () => undefined).addUsers("alice");
  const github = createGithubRepository(
    createPost(() => url),
    "acme/terminate",
  );

  endpoint.setMood("held");
  const after = makeRevision();
  await github.push({ branch: "dev/a", after });
  await vi.waitFor(() => expect(endpoint.countWrites()).toBe(1), waiting);
  const ended = first.terminate();
  // It takes no more deliveries: it knows that it is to end.
  await expect
    .poll(
      () =>
        fetch(`${url}/readyz`).then(
          ({ status }) => status,
          () => 0,
        ),
      waiting,
    )
    .not.toBe(200);
  endpoint.setMood("honest");
  expect(await ended).toBe(0);

  stack.use(await startServerProcess({ cwd, env }));
  const api = createTestApi(() => url, ADMIN_TOKEN);
  const { status } = await api.status({ repository: github.name, branch: "dev/a", revision: after });
  expect(status).toMatchObject({ state: "in_sync", endpoints: [{ endpoint: "foreign", verdict: "verified" }] });
  expect(endpoint.countWrites()).toBe(1);
  expect(await endpoint.inside.findGroups(undefined)).toMatchObject([{ members: [{}] }]);
}, 60_000);
