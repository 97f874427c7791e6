/** What happens on the pictures: repositories at GitHub, checkouts, a rename, a deletion, and a change of the directory. */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { page, syncItem, branchItem, deliveryItem } from "@branchward/core/api";
import { z } from "zod";

export const ADMIN_TOKEN = "token-of-the-pictures";

/** Environment of the server that the story is told to. */
export const SECRETS = {
  BRANCHWARD_ADMIN_TOKEN: ADMIN_TOKEN,
  GITHUB_WEBHOOK_SECRET: "webhook-secret-of-the-pictures",
  BRANCHWARD_AGENT_SECRET: "agent-secret-of-the-pictures",
} as const;

/** `branchward.yaml` of that server. */
export const CONFIGURATION = `
sources:
  - { name: agents, type: agent, secret: { env: BRANCHWARD_AGENT_SECRET } }
  - { name: github, type: github, secret: { env: GITHUB_WEBHOOK_SECRET } }
repositories:
  - { name: acme/web, authority: github, sources: [github, agents] }
  - { name: acme/payments, authority: github, sources: [github, agents] }
endpoints:
  - { name: directory, type: builtin }
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
      - { entitlement: merge, to: ["group:release-managers"] }
      - { entitlement: read, to: ["group:engineering"], when: checkout, for: 8h }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
  - repositories: ["**"]
    branches: ["*", "dev/**", "feature/**", "fix/**"]
    grants:
      - { entitlement: push, to: ["group:engineering", "group:contractors"] }
      - { entitlement: merge, to: ["group:engineering"] }
      - { entitlement: read, to: ["group:engineering", "group:security"], when: checkout, for: 8h }
`;

const PEOPLE = ["alice", "bob", "carol", "dan"];
const GROUPS = {
  engineering: ["alice", "bob", "dan"],
  "release-managers": ["alice", "carol"],
  contractors: ["carol"],
} as const;

/** What the single pages show. */
export interface Story {
  readonly sync: string;
  readonly branch: string;
  readonly delivery: string;
}

const ZERO = "0".repeat(40);
const REPOSITORIES = { "acme/web": 101, "acme/payments": 102, "platform/infra": 103 } as const;
type Repository = keyof typeof REPOSITORIES;

interface Change {
  readonly repository: Repository;
  readonly branch: string;
  readonly before?: string;
  readonly after?: string;
  readonly sender?: string;
}

const sign = (secret: string, text: string, encoding: "hex" | "base64"): string =>
  createHmac("sha256", secret).update(text).digest(encoding);
const makeRevision = (): string => randomBytes(20).toString("hex");

/** What GitHub's webhook says of a push. */
function toPush({ repository, branch, before = ZERO, after = ZERO, sender = "alice" }: Change): object {
  return {
    ref: `refs/heads/${branch}`,
    before,
    after,
    created: before === ZERO,
    deleted: after === ZERO,
    forced: false,
    repository: {
      id: REPOSITORIES[repository],
      full_name: repository,
      clone_url: `https://git.example.com/${repository}.git`,
    },
    sender: { id: 1, login: sender },
  };
}

/** What the hook agent of a working copy says. */
function toCheckout(repository: Repository, branch: string, user: string): object {
  return {
    v: 1,
    site: "client",
    vcs: "git",
    hook: "post-checkout",
    occurredAt: new Date().toISOString(),
    repository,
    groupKey: null,
    actor: { key: user, email: null },
    changes: [],
    renames: [],
    sightings: [],
    checkout: { refType: "branch", name: branch, revision: null, workingCopy: `${user}'s` },
  };
}

function createTeller(url: string) {
  async function post(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<void> {
    const init = { method: "POST", headers: { "content-type": "application/json", ...headers }, body };
    const response = await fetch(url + path, init);
    if (!response.ok) throw new Error(`POST ${path} was answered ${response.status}: ${await response.text()}`);
  }

  return {
    read: async <Schema extends z.ZodType>(schema: Schema, path: string): Promise<z.output<Schema>> => {
      const response = await fetch(url + path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
      return schema.parse(await response.json());
    },
    /** One request of the identity provider; resolves with the id of what it is about. */
    write: async (method: "POST" | "PATCH", path: string, body: object): Promise<string> => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/scim+json" };
      const response = await fetch(`${url}/scim/v2${path}`, { method, headers, body: JSON.stringify(body) });
      const answer = z.object({ id: z.string() }).safeParse(await response.json());
      if (answer.success) return answer.data.id;
      throw new Error(`${method} ${path} was answered ${response.status}`);
    },
    push: (change: Change): Promise<void> => {
      const body = JSON.stringify(toPush(change));
      const signature = `sha256=${sign(SECRETS.GITHUB_WEBHOOK_SECRET, body, "hex")}`;
      return post(
        "/hooks/github",
        { "x-github-event": "push", "x-github-delivery": randomUUID(), "x-hub-signature-256": signature },
        body,
      );
    },
    checkout: (repository: Repository, branch: string, user: string): Promise<void> => {
      const body = JSON.stringify(toCheckout(repository, branch, user));
      const id = `msg_${randomUUID()}`;
      const timestamp = String(Math.floor(Date.now() / 1000));
      const signature = `v1,${sign(SECRETS.BRANCHWARD_AGENT_SECRET, `${id}.${timestamp}.${body}`, "base64")}`;
      return post(
        "/hooks/agents",
        { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature },
        body,
      );
    },
  };
}

type Teller = ReturnType<typeof createTeller>;

/** Waits until nothing waits. */
async function settle({ read }: Teller): Promise<void> {
  const standing = z.object({ items: z.array(z.object({ scopes: z.object({ pending: z.int() }) })) });
  for (;;) {
    const { items } = await read(standing, "/v1/endpoints");
    if (items.every(({ scopes }) => scopes.pending === 0)) return;
    await delay(100);
  }
}

async function makeBranches(teller: Teller): Promise<void> {
  const names = ["main", "release/1.0", "release/2.0", "dev/search", "feature/checkout-flow", "fix/login-loop"];
  for (const repository of ["platform/infra", "acme/payments", "acme/web"] as const) {
    for (const branch of names) await teller.push({ repository, branch, after: makeRevision() });
  }
  await settle(teller);
}

async function renameAndDelete(teller: Teller): Promise<void> {
  const [revision, last] = [makeRevision(), makeRevision()];
  await teller.push({ repository: "acme/web", branch: "dev/next", after: revision });
  await settle(teller);
  await teller.push({ repository: "acme/web", branch: "dev/next", before: revision });
  await teller.push({ repository: "acme/web", branch: "release/2.1", after: revision });
  await teller.push({ repository: "acme/payments", branch: "fix/typo", after: last, sender: "bob" });
  await settle(teller);
  await teller.push({ repository: "acme/payments", branch: "fix/typo", before: last, sender: "bob" });
  await settle(teller);
}

const USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/** What an identity provider does first. */
async function fillTheDirectory({ write }: Teller): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>();
  for (const userName of PEOPLE) {
    const emails = [{ value: `${userName}@example.com`, primary: true }];
    ids.set(userName, await write("POST", "/Users", { schemas: [USER_SCHEMA], userName, active: true, emails }));
  }
  for (const [displayName, names] of Object.entries(GROUPS)) {
    const members = names.map((name) => ({ value: ids.get(name) }));
    ids.set(displayName, await write("POST", "/Groups", { schemas: [GROUP_SCHEMA], displayName, members }));
  }
  return ids;
}

/** The identity provider says that bob manages releases from now on and carol no longer does. */
async function changeTheDirectory(teller: Teller, ids: ReadonlyMap<string, string>): Promise<void> {
  const Operations = [
    { op: "add", path: "members", value: [{ value: ids.get("bob") }] },
    { op: "remove", path: `members[value eq "${ids.get("carol") ?? ""}"]` },
  ];
  await teller.write("PATCH", `/Groups/${ids.get("release-managers") ?? ""}`, { schemas: [PATCH_SCHEMA], Operations });
  const changed = "/v1/syncs?reason=directory&branch=release%2F2.0&repository=acme%2Fweb";
  while ((await teller.read(page(syncItem), changed)).items.every(({ added }) => added === 0)) await delay(100);
}

/** Tells the whole story to the server at the address. */
export async function tellStory(url: string): Promise<Story> {
  const teller = createTeller(url);
  const ids = await fillTheDirectory(teller);
  await makeBranches(teller);
  await renameAndDelete(teller);
  for (const user of ["alice", "bob"]) await teller.checkout("acme/web", "release/2.0", user);
  await teller.checkout("acme/payments", "dev/search", "dan");
  await settle(teller);
  await changeTheDirectory(teller, ids);
  const query = "repository=acme%2Fweb&branch=release%2F2.0";
  const [sync] = (await teller.read(page(syncItem), `/v1/syncs?${query}&reason=directory`)).items;
  const [branch] = (await teller.read(page(branchItem), `/v1/branches?${query}`)).items;
  const deliveries = await teller.read(page(deliveryItem), "/v1/deliveries?source=github");
  const [delivery] = deliveries.items;
  if (sync === undefined || branch === undefined || delivery === undefined) throw new Error("the story left no trace");
  return { sync: sync.id, branch: branch.id, delivery: delivery.id };
}
