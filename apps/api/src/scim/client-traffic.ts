/** How each client speaks SCIM: recognised from its requests, remembered, counted, and recorded once a second. */
import type { Logger } from "@branchward/runtime";
import { type Coercion, type Dialect, recognizeDialect, type ScimRequest } from "@branchward/scim";
import {
  type ClientTraffic as RecordedTraffic,
  type Database,
  type DirectoryContext,
  findClientDialect,
  recordClientTraffic,
} from "@branchward/store";

export interface ClientTraffic {
  /** Counts a request and learns from it. Reads what was remembered of a client that this process has not seen yet. */
  observe(request: ScimRequest<DirectoryContext>): Promise<void>;
  /** What the client's requests have told so far. */
  dialectOf(context: DirectoryContext): Dialect | undefined;
  countCoercions(context: DirectoryContext, coercions: ReadonlySet<Coercion>): void;
  /** Records what was counted, now. */
  flush(): Promise<void>;
}

interface Seen {
  dialect: Dialect | undefined;
  userAgent: string | null;
  requests: number;
  coercions: Map<Coercion, number>;
}

const FLUSH_AFTER_MS = 1_000;

export interface ClientTrafficDeps {
  readonly db: Database;
  readonly log: Logger;
  /** Aborts when the process goes down: what was counted is recorded at once. */
  readonly closing: AbortSignal;
}

export function createClientTraffic({ db, log, closing }: ClientTrafficDeps): ClientTraffic {
  const clients = new Map<string, Seen>();

  async function load(client: string): Promise<Seen> {
    const held = clients.get(client);
    if (held !== undefined) return held;
    const dialect = await findClientDialect(db, client);
    const seen = clients.get(client) ?? { dialect, userAgent: null, requests: 0, coercions: new Map() };
    clients.set(client, seen);
    return seen;
  }

  async function flush(): Promise<void> {
    for (const [client, seen] of clients) {
      if (seen.requests > 0) await recordClientTraffic(db, take(client, seen));
    }
  }

  const planFlush = createTimer(closing, () => {
    flush().catch((error: unknown) => log.warn({ err: error }, "client traffic not recorded"));
  });

  return {
    flush,
    async observe(request) {
      const { client, kind } = request.context;
      if (kind === "internal") return;
      const seen = await load(client);
      seen.dialect = recognizeDialect(request) ?? seen.dialect;
      seen.userAgent = request.headers["user-agent"] ?? seen.userAgent;
      seen.requests += 1;
      planFlush();
    },
    dialectOf: ({ client }) => clients.get(client)?.dialect,
    countCoercions({ client }, coercions) {
      const seen = clients.get(client);
      for (const coercion of coercions) seen?.coercions.set(coercion, (seen.coercions.get(coercion) ?? 0) + 1);
    },
  };
}

/** Makes a function after which `run` runs once in a moment, at the latest when the process goes down. */
function createTimer(closing: AbortSignal, run: () => void): () => void {
  const state: { timer: NodeJS.Timeout | undefined } = { timer: undefined };
  const end = (): void => {
    clearTimeout(state.timer);
    state.timer = undefined;
    run();
  };
  closing.addEventListener("abort", end, { once: true });
  return () => {
    if (closing.aborted) return;
    state.timer ??= setTimeout(end, FLUSH_AFTER_MS).unref();
  };
}

/** What is to be recorded; the counts begin anew. */
function take(client: string, seen: Seen): RecordedTraffic {
  const { dialect = null, userAgent, requests } = seen;
  const coercions = Object.fromEntries(seen.coercions);
  seen.requests = 0;
  seen.coercions = new Map();
  return { client, dialect, userAgent: userAgent?.slice(0, 200) ?? null, requests, coercions };
}
