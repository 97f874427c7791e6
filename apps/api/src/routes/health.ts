import { livez, readyz } from "@branchward/core/api";
import type { Queues } from "@branchward/queue";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, findActivePolicyVersionId } from "@branchward/store";

export interface HealthDeps {
  readonly db: Database;
  readonly queues: Queues;
  /** Aborts when the process goes down. */
  readonly closing: AbortSignal;
}

const CHECK_TIMEOUT_MS = 2_000;

/** `/livez`: the process answers. `/readyz`: it can do its work. */
export function createHealthRoutes({ db, queues, closing }: HealthDeps): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/livez",
      summary: "The process answers",
      scope: null,
      responses: { 200: { description: "alive", body: livez } },
      handle: async () => answer(200, { status: "ok" as const }),
    }),
    defineRoute({
      method: "get",
      path: "/readyz",
      summary: "Database, queue and policy are there",
      scope: null,
      responses: { 200: { description: "ready", body: readyz }, 503: { description: "not ready", body: readyz } },
      async handle() {
        const checks: Record<string, { ok: boolean; detail: string | null }> = {
          process: closing.aborted ? { ok: false, detail: "shutting down" } : OK,
          database: await check(
            findActivePolicyVersionId(db).then((id) => (id === undefined ? "no policy version is in force" : null)),
          ),
          queue: await check(queues.ping().then(() => null)),
        };
        const ready = Object.values(checks).every(({ ok }) => ok);
        if (!ready) return answer(503, { status: "not_ready" as const, checks });
        return answer(200, { status: "ready" as const, checks });
      },
    }),
  ];
}

const OK = { ok: true, detail: null };

/** Null from the probe is well; text is the reason why not. */
async function check(probe: Promise<string | null>): Promise<{ ok: boolean; detail: string | null }> {
  const timeout = new Promise<string>((resolve) => {
    setTimeout(() => resolve("no answer in time"), CHECK_TIMEOUT_MS).unref();
  });
  const detail = await Promise.race([probe, timeout]).catch(() => "not reachable");
  return { ok: detail === null, detail };
}
