/** A running Branchward with endpoints of a given slowness, people who hold something there, and pushes to it. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { Agent } from "node:http";
import { join } from "node:path";
import { page, syncItem } from "@branchward/core/api";
import { createScimClient, type ScimClient } from "@branchward/scim";
import type { z } from "zod";
import { type BenchEndpoint, startBenchEndpoint } from "./endpoint-server.ts";
import { createPush, deliver } from "./receiver.ts";
import { ADMIN_TOKEN, SECRET, startServer } from "./server.ts";

export type Sync = z.output<typeof syncItem>;

export interface SyncSystem extends AsyncDisposable {
  readonly url: string;
  readonly scim: ScimClient;
  /** By name: `a`, `b`, `c`. Repository `a/…` is for endpoint `a` alone. */
  readonly endpoints: ReadonlyMap<string, BenchEndpoint>;
  /** userName → id in the directory. */
  readonly people: ReadonlyMap<string, string>;
  /** Sends a push; milliseconds since 1970 at which it was accepted. The first one to a branch creates it. */
  push(repository: string, branch: string): Promise<number>;
  /** The newest first, back to `since`. */
  listSyncs(since: number): Promise<readonly Sync[]>;
  get(path: string): Promise<unknown>;
}

const PEOPLE = 20;
const ZERO = "0".repeat(40);

export async function startSyncSystem(
  directory: string,
  delays: Readonly<Record<string, number>>,
): Promise<SyncSystem> {
  await using stack = new AsyncDisposableStack();
  const endpoints = new Map<string, BenchEndpoint>();
  for (const [name, delayMs] of Object.entries(delays)) {
    endpoints.set(name, stack.use(await startBenchEndpoint(delayMs)));
  }
  await mkdir(directory, { recursive: true });
  const config = join(directory, "branchward.yaml");
  await writeFile(config, toConfiguration(endpoints));
  const { url } = stack.use(await startServer(directory, config));
  const scim = createScimClient({
    url: `${url}/scim/v2`,
    token: () => ADMIN_TOKEN,
    deadlineMs: 10_000,
    maxBytes: 1 << 24,
  });
  const people = await addPeople(scim, endpoints);
  const agent = stack.adopt(new Agent({ keepAlive: true, maxSockets: 32 }), (each) => each.destroy());
  const heads = new Map<string, string>();
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    return response.json();
  };
  const held = stack.move();
  return {
    url,
    scim,
    endpoints,
    people,
    get,
    async push(repository, branch) {
      const key = `${repository} ${branch}`;
      const [before, after] = [heads.get(key) ?? ZERO, randomBytes(20).toString("hex")];
      heads.set(key, after);
      await deliver(
        { url, secret: SECRET, token: ADMIN_TOKEN },
        agent,
        createPush({ repository, branch, before, after }),
      );
      return Date.now();
    },
    async listSyncs(since) {
      const found: Sync[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const query = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
        const { items, nextCursor } = page(syncItem).parse(await get(`/v1/syncs?limit=200${query}`));
        const recent = items.filter((sync) => new Date(sync.finishedAt).getTime() >= since);
        found.push(...recent);
        cursor = recent.length < items.length ? null : nextCursor;
      }
      return found;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function toConfiguration(endpoints: ReadonlyMap<string, BenchEndpoint>): string {
  return JSON.stringify({
    sources: [{ name: "github", type: "github", secret: { env: "GITHUB_WEBHOOK_SECRET" }, may: ["refs"] }],
    endpoints: [...endpoints].map(([name, { url }]) => ({ name, url, token: { env: "GITHUB_WEBHOOK_SECRET" } })),
    policy: [...endpoints.keys()].map((name) => ({
      repositories: [`${name}/*`],
      branches: ["**"],
      grants: [{ entitlement: "push", to: ["group:team"], endpoints: [name] }],
    })),
  });
}

async function addPeople(
  scim: ScimClient,
  endpoints: ReadonlyMap<string, BenchEndpoint>,
): Promise<ReadonlyMap<string, string>> {
  const people = new Map<string, string>();
  for (let index = 0; index < PEOPLE; index += 1) {
    const userName = `user-${index}`;
    const { id } = await scim.createUser({ userName, active: true });
    people.set(userName, id);
    for (const endpoint of endpoints.values()) await endpoint.addAccount(id, userName);
  }
  const members = [...people.values()].map((value) => ({ value }));
  await scim.createGroup({ displayName: "team", members });
  return people;
}
