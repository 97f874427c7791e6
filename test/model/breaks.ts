/**
 * Breaks what the code under test does between two of its effects: right before and right after each commit, the
 * connection to PostgreSQL is cut, or the whole process is gone.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Pool, PoolClient } from "pg";

/** `cut`: the statement fails, and whether it was done nobody can know; `die`: nothing of the process goes on. */
export const BREAKS = ["cut", "die"] as const;

export interface BreakAt {
  /** The n-th point from here on, from 0: each commit of something written is one before it, and one after it. */
  readonly point: number;
  readonly how: (typeof BREAKS)[number];
}

/** How something ended that a process did; `isBroken`: its connection was cut, or it died, under it. */
export type Ending<T> = { readonly isDead: true } | { readonly isDead: false; readonly value: T };

export interface Breaks {
  arm(at: BreakAt): void;
  disarm(): void;
  /** Does something as a process of its own, which may die of it. */
  asProcess<T>(doing: () => Promise<T>): Promise<Ending<T>>;
  /** What broke since this was last asked; null where nothing did. */
  takeStruck(): string | null;
  /** Ends for the living alone: the dead ask nobody for anything. */
  untilAlive(): Promise<void>;
}

interface Process {
  isDead: boolean;
  readonly buried: Set<PoolClient>;
  readonly death: PromiseWithResolvers<{ readonly isDead: true }>;
}

/** What one connection is in the middle of. */
interface Session {
  isOpen: boolean;
  hasWritten: boolean;
}

interface State {
  readonly processes: AsyncLocalStorage<Process>;
  /** Whose connection it is, while it is somebody's. */
  readonly owners: Map<PoolClient, Process>;
  armed: BreakAt | null;
  points: number;
  struck: string | null;
}

type Query = (...args: readonly unknown[]) => Promise<unknown>;

const NEVER = new Promise<never>(() => undefined);

/** Takes hold of every connection that the pool opens from here on. What is no process breaks nowhere. */
export function createBreaks(pool: Pool): Breaks {
  const processes = new AsyncLocalStorage<Process>();
  const state: State = { processes, owners: new Map(), armed: null, points: 0, struck: null };
  pool.on("release", (_, client) => state.owners.delete(client));
  pool.on("connect", (client) => void Object.assign(client, { query: createBreakingQuery(state, client) }));
  return {
    arm: (armed) => void Object.assign(state, { armed, points: 0 }),
    disarm: () => void (state.armed = null),
    asProcess(doing) {
      const process: Process = { isDead: false, buried: new Set(), death: Promise.withResolvers() };
      const done = processes.run(process, doing).then((value) => ({ isDead: false as const, value }));
      return Promise.race([done, process.death.promise]);
    },
    takeStruck() {
      const { struck } = state;
      state.struck = null;
      return struck;
    },
    untilAlive: () => (processes.getStore()?.isDead === true ? NEVER : Promise.resolve()),
  };
}

function createBreakingQuery(state: State, client: PoolClient): Query {
  const session: Session = { isOpen: false, hasWritten: false };
  const query = client.query.bind(client) as Query;
  return async (...args) => {
    const process = state.processes.getStore();
    if (process === undefined) return query(...args);
    state.owners.set(client, process);
    if (process.isDead) return bury(state, process);
    const ask = () =>
      query(...args).catch((error: unknown) => (process.isDead ? NEVER : Promise.reject(error as Error)));
    const text = textOf(args[0]);
    if (!isEffect(session, text)) return ask();
    const what = text.replaceAll(/\s+/gu, " ").slice(0, 60);
    await passPoint(state, { client, process, where: `before ${what}` });
    const answer = await ask();
    await passPoint(state, { client, process, where: `after ${what}` });
    return answer;
  };
}

interface Point {
  readonly client: PoolClient;
  readonly process: Process;
  readonly where: string;
}

async function passPoint(state: State, { client, process, where }: Point): Promise<void> {
  const { armed } = state;
  if (armed === null) return;
  state.points += 1;
  if (state.points <= armed.point) return;
  Object.assign(state, { armed: null, struck: `${armed.how} ${where}` });
  if (armed.how === "die") {
    process.isDead = true;
    await bury(state, process);
  }
  await breakOff(client);
  throw new Error("Connection terminated unexpectedly");
}

/** No connection outlives its process, and the pool has room for others. */
async function bury({ owners }: State, process: Process): Promise<never> {
  for (const [client, owner] of owners) {
    if (owner !== process || process.buried.has(client)) continue;
    process.buried.add(client);
    await breakOff(client);
    client.release(true);
  }
  process.death.resolve({ isDead: true });
  return NEVER;
}

function textOf(query: unknown): string {
  return typeof query === "string" ? query : (query as { readonly text: string }).text;
}

/** Whether something is in the record for good once the statement is done. */
function isEffect(session: Session, text: string): boolean {
  const [, verb = ""] = /^(?:\s|\/\*.*?\*\/)*(\w+)/u.exec(text.toLowerCase()) ?? [];
  switch (verb) {
    case "begin":
    case "start":
      Object.assign(session, { isOpen: true, hasWritten: false });
      return false;
    case "rollback":
      session.isOpen = false;
      return false;
    case "commit":
      session.isOpen = false;
      return session.hasWritten;
  }
  const isWrite = /\b(?:insert into|delete from|(?<!for |for no key )update)\b/iu.test(text);
  if (isWrite) session.hasWritten = true;
  return isWrite && !session.isOpen;
}

/** Ends when the pool knows: whoever asks it next gets another connection. */
async function breakOff(client: PoolClient): Promise<void> {
  // An error comes first, which the pool hears.
  const ended = new Promise((resolve) => client.once("end", resolve));
  (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream.destroy();
  await ended;
}
