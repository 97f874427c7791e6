/** Deliveries as sources send them: signed over the raw bytes. */
import { createHash, createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import type { HttpAnswer } from "./api.ts";

export const GITHUB_SECRET = "github-secret-of-the-tests";
/** 24 bytes; Standard Webhooks secrets are base64 after the prefix. */
export const AGENT_SECRET = `whsec_${createHash("sha256").update("agent").digest("base64")}`;

const ZERO = "0".repeat(40);

/** A revision nobody else has. */
export function makeRevision(): string {
  return randomBytes(20).toString("hex");
}

export interface GithubDelivery {
  readonly source?: string;
  readonly event: string;
  readonly body: string;
  /** `X-GitHub-Delivery`; a new one unless given. */
  readonly id?: string;
  readonly secret?: string;
}

export function signGithub({ event, body, id, secret = GITHUB_SECRET }: GithubDelivery): Record<string, string> {
  return {
    "content-type": "application/json",
    "x-github-event": event,
    "x-github-delivery": id ?? randomUUID(),
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  };
}

export interface AgentDelivery {
  readonly source?: string;
  readonly body: string;
  readonly id?: string;
  readonly secret?: string;
  readonly sentAt?: Date;
}

/** Standard Webhooks (spec 1.0.0). */
export function signAgent({ body, id, secret = AGENT_SECRET, sentAt }: AgentDelivery): Record<string, string> {
  const webhookId = id ?? `msg_${randomUUID()}`;
  const timestamp = String(Math.floor((sentAt ?? new Date()).getTime() / 1000));
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : secret;
  const signature = createHmac("sha256", key).update(`${webhookId}.${timestamp}.${body}`).digest("base64");
  return {
    "content-type": "application/json",
    "webhook-id": webhookId,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}

export interface Post {
  (source: string, headers: Readonly<Record<string, string>>, body: string): Promise<HttpAnswer>;
}

export function createPost(baseUrl: () => string): Post {
  return async (source, headers, body) => {
    const response = await fetch(`${baseUrl()}/hooks/${source}`, { method: "POST", headers: { ...headers }, body });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
}

/** The id in a 202. @throws when the answer is another one. */
export function toDeliveryId({ status, body }: HttpAnswer): string {
  if (status === 202 && typeof body === "object" && body !== null && "delivery" in body) return String(body.delivery);
  throw new Error(`the delivery was answered ${status}: ${JSON.stringify(body)}`);
}

export interface GithubRef {
  readonly branch: string;
  readonly before?: string | null;
  readonly after?: string | null;
  readonly sender?: string;
}

/** Who moves what a merge queue moves. */
export const MERGE_QUEUE = "github-merge-queue[bot]";

/** The temporary branch of a group of the merge queue of `base`. */
export function toQueueBranch(base: string, head: string): string {
  return `gh-readonly-queue/${base}/pr-7-${head}`;
}

/** A repository at GitHub: each call is one webhook, answered 202; resolves with the delivery's id. */
export interface GithubRepository {
  readonly name: string;
  readonly nativeId: number;
  push(ref: GithubRef, id?: string): Promise<string>;
  create(branch: string, sender?: string): Promise<string>;
  delete(branch: string, sender?: string): Promise<string>;
  /** A group of the merge queue of `base` asks for its checks; `head` is what the queue made of it. */
  requestChecks(base: string, head: string): Promise<string>;
  /** Tells that the repository was given the name that it has. */
  tellName(action: "renamed" | "transferred"): Promise<string>;
  /** The same repository under another name, as payloads show it after a rename or transfer. */
  renamed(name: string): GithubRepository;
}

/** Payloads hold what GitHub's hold as far as it matters here. `nonce` keeps equal events of different moments apart, as times do there. */
export function createGithubRepository(
  post: Post,
  name: string,
  { source = "github", nativeId = randomInt(1, 2 ** 40) }: { source?: string; nativeId?: number } = {},
): GithubRepository {
  const common = (sender: string) => ({
    repository: { id: nativeId, full_name: name, name: name.split("/").at(-1), pushed_at: randomUUID() },
    sender: { id: 1, login: sender },
  });
  async function send(event: string, payload: object, id?: string): Promise<string> {
    const body = JSON.stringify(payload);
    return toDeliveryId(await post(source, signGithub({ event, body, ...(id === undefined ? {} : { id }) }), body));
  }
  return {
    name,
    nativeId,
    push: ({ branch, before = null, after = null, sender = "alice" }, id) =>
      send(
        "push",
        {
          ref: `refs/heads/${branch}`,
          before: before ?? ZERO,
          after: after ?? ZERO,
          created: before === null,
          deleted: after === null,
          forced: false,
          ...common(sender),
        },
        id,
      ),
    create: (branch, sender = "alice") => send("create", { ref: branch, ref_type: "branch", ...common(sender) }),
    delete: (branch, sender = "alice") => send("delete", { ref: branch, ref_type: "branch", ...common(sender) }),
    requestChecks: (base, head) =>
      send("merge_group", {
        action: "checks_requested",
        merge_group: {
          head_sha: head,
          head_ref: `refs/heads/${toQueueBranch(base, head)}`,
          base_sha: makeRevision(),
          base_ref: `refs/heads/${base}`,
        },
        ...common(MERGE_QUEUE),
      }),
    tellName: (action) => send("repository", { action, ...common("alice") }),
    renamed: (newName) => createGithubRepository(post, newName, { source, nativeId }),
  };
}

export interface CheckoutMessage {
  readonly repository: string;
  readonly branch: string | null;
  readonly refType?: string;
  readonly actor?: string;
  readonly workingCopy?: string;
  readonly occurredAt?: Date;
}

/** What the hook agent of a working copy sends. */
export function toCheckoutBody(message: CheckoutMessage): string {
  const { repository, branch, refType = "branch", actor = "alice", workingCopy = "copy", occurredAt } = message;
  return JSON.stringify({
    v: 1,
    site: "client",
    vcs: "git",
    hook: "post-checkout",
    occurredAt: (occurredAt ?? new Date()).toISOString(),
    repository,
    groupKey: null,
    actor: { key: actor, email: null },
    changes: [],
    renames: [],
    sightings: [],
    checkout: { refType, name: branch, revision: null, workingCopy },
  });
}

export interface ReceiveMessage {
  readonly repository: string;
  readonly changes: readonly {
    readonly kind: "create" | "push" | "delete";
    readonly name: string;
    readonly before: string | null;
    readonly after: string | null;
    /** True where all heads of a named branch are closed. */
    readonly closed?: boolean;
  }[];
  /** Heads as they were seen; by default those that the changes led to. */
  readonly sightings?: readonly { readonly name: string; readonly head: string | null }[];
  readonly site?: "client" | "server";
  readonly vcs?: "git" | "hg";
  readonly refType?: "branch" | "bookmark";
}

/** What the hook agent of a server sends after a push. */
export function toReceiveBody(message: ReceiveMessage): string {
  const { repository, changes, sightings, site = "server", vcs = "git", refType = "branch" } = message;
  return JSON.stringify({
    v: 1,
    site,
    vcs,
    hook: vcs === "git" ? "post-receive" : "txnclose-bookmark",
    occurredAt: new Date().toISOString(),
    repository,
    groupKey: randomUUID(),
    actor: { key: "git", email: null },
    changes: changes.map((change) => ({ refType, forced: null, closed: false, ...change })),
    renames: [],
    sightings: (sightings ?? changes.map(({ name, after }) => ({ name, head: after }))).map((sighting) => ({
      ...sighting,
      refType,
    })),
    checkout: null,
  });
}
