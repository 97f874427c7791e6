import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { summarize, type Target } from "./figures.ts";

const IN_FLIGHT = 16;
const DELIVERIES = 2_000;
const ZERO = "0".repeat(40);

/** Answer times of GitHub pushes, 16 at a time; the branches are created before the clock runs. */
export async function benchReceiver(target: Target, branches: number): Promise<ReturnType<typeof summarize>> {
  const repository = `bench/${randomUUID().slice(0, 8)}`;
  const heads = Array.from({ length: branches }, () => ZERO);
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const push = async (index: number): Promise<number> => {
    const branch = index % branches;
    const after = randomBytes(20).toString("hex");
    const body = createPush({ repository, branch: `dev/branch-${branch}`, before: heads[branch] ?? ZERO, after });
    heads[branch] = after;
    return deliver(target, agent, body);
  };
  for (let index = 0; index < branches; index += 1) await push(index);
  const times: number[] = [];
  const state = { next: branches };
  const work = async (): Promise<void> => {
    while (state.next < branches + DELIVERIES) times.push(await push(state.next++));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  agent.destroy();
  return summarize(times);
}

export interface Push {
  readonly repository: string;
  readonly branch: string;
  readonly before: string;
  readonly after: string;
}

/** A push of the size that GitHub sends. */
export function createPush({ repository, branch, before, after }: Push): Buffer {
  return Buffer.from(
    JSON.stringify({
      ref: `refs/heads/${branch}`,
      before,
      after,
      created: before === ZERO,
      deleted: false,
      forced: false,
      repository: {
        id: toRepositoryId(repository),
        full_name: repository,
        name: repository,
        owner: { login: "bench" },
      },
      sender: { id: 1, login: "alice" },
      padding: "x".repeat(6_000),
    }),
  );
}

/** GitHub's ids are numbers; any other is no repository. */
function toRepositoryId(name: string): number {
  return createHash("sha256").update(name).digest().readUInt32BE();
}

export function deliver({ url, secret }: Target, agent: Agent, body: Buffer): Promise<number> {
  const startedAt = performance.now();
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "x-github-event": "push",
    "x-github-delivery": randomUUID(),
    "x-hub-signature-256": `sha256=${signature}`,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/hooks/github`, { method: "POST", agent, headers }, (response) => {
      response.resume();
      response.on("end", () => {
        if (response.statusCode === 202) resolve(performance.now() - startedAt);
        else reject(new Error(`the receiver answered ${String(response.statusCode)}`));
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
