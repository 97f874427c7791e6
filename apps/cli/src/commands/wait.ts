import { parseDuration } from "@branchward/core";
import { MAX_WAIT_MS, type SyncStatus, syncStatus } from "@branchward/core/api";
import { type ApiClient, connectApi, type ConnectionOptions, detailOf } from "../api-client.ts";
import { findNextStep } from "./next-step.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

export interface WaitOptions extends ConnectionOptions {
  readonly repository: string;
  readonly branch: string;
  readonly refType?: string;
  readonly revision?: string;
  readonly entitlement?: string;
  readonly timeout: string;
  readonly json?: boolean;
}

/** `branchward wait`: holds until the answer is one that a build can act on. */
export async function wait(context: CommandContext, options: WaitOptions): Promise<number> {
  const timeoutMs = parseTimeout(options.timeout);
  const until = performance.now() + timeoutMs;
  const api = await connectApi(context, options);
  let status = await ask(api, options, until);
  while (status.conclusion === "waiting" && performance.now() < until) status = await ask(api, options, until);
  if (options.json === true) writeJson(context, status);
  else {
    writeLine(context.stdout, describe(status));
    const next = findNextStep(status, { isWaited: timeoutMs > 0, refType: options.refType });
    if (next !== undefined) writeLine(context.stdout, `  ${next}`);
  }
  return toExitCode(status);
}

function parseTimeout(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new CommandError(EXIT.usage, `--timeout ${text}: expected a duration such as 30s or 2m`);
  }
}

async function ask(api: ApiClient, options: WaitOptions, until: number): Promise<SyncStatus> {
  const leftMs = Math.max(0, Math.min(until - performance.now(), MAX_WAIT_MS));
  const query = new URLSearchParams({ repository: options.repository, branch: options.branch });
  for (const name of ["refType", "revision", "entitlement"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  query.set("wait", `${Math.floor(leftMs)}ms`);
  const answer = await api.request("GET", `/v1/sync-status?${query.toString()}`);
  const parsed = syncStatus.safeParse(answer.body);
  if (parsed.success) return parsed.data;
  throw new CommandError(answer.status === 400 ? EXIT.usage : EXIT.unreachable, detailOf(answer));
}

function describe(status: SyncStatus): string {
  const name = `${status.repository}:${status.branch}`;
  if (status.state === "unknown") {
    return `${name}: unknown: nobody told of ${status.incarnation === null ? "this branch" : "this revision"}`;
  }
  const scopes = status.endpoints.map(({ endpoint, verdict }) => `${endpoint} ${verdict}`).join(", ");
  const governed = status.governed ? "" : " (nothing governs it)";
  const retired = (status.retired ?? []).map((endpoint) => `; ${endpoint} is retired`).join("");
  return `${name}: ${status.state}${governed}${scopes === "" ? "" : `: ${scopes}`}${retired}`;
}

function toExitCode({ state, conclusion }: SyncStatus): number {
  if (state === "unknown") return EXIT.timedOut;
  switch (conclusion) {
    case "success":
    case "neutral":
      return EXIT.ok;
    case "failure":
      return EXIT.failed;
    case "waiting":
      return EXIT.timedOut;
  }
}
