/** `branchward doctor`: each check with a code, what was seen, and the fix. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { toOneLine } from "@branchward/core/one-line";
import { findingItem, page, readyz } from "@branchward/core/api";
import { formatWarnings, loadConfiguration, parseEnvironment } from "@branchward/runtime";
import { connectDatabase, listPendingMigrations } from "@branchward/store";
import { openQueueBackend } from "@branchward/queue";
import pc from "picocolors";
import { examineEndpoint } from "./examine-endpoint.ts";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { findConfigurationFile, showFile } from "../configuration-file.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine, writeOwn } from "../context.ts";

interface Check {
  readonly code: string;
  readonly state: "ok" | "warning" | "failed" | "skipped";
  readonly seen: string;
  readonly fix: string | null;
}

export interface DoctorOptions extends ConnectionOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly endpoint?: string;
}

/** Exit 0 when nothing failed, else 1. */
export async function doctor(context: CommandContext, options: DoctorOptions): Promise<number> {
  if (options.endpoint !== undefined) return examineEndpoint(context, { ...options, endpoint: options.endpoint });
  const checks = [
    checkNode(),
    await checkProgram("git", "git", "Git repositories cannot be connected from this machine"),
    await checkProgram("hg", "mercurial", "Mercurial repositories cannot be connected from this machine"),
    await checkConfiguration(context, options),
    await checkDatabase(context),
    await checkRedis(context),
    ...(await checkServer(context, options)),
  ];
  if (options.json === true) writeJson(context, checks);
  else for (const check of checks) writeCheck(context, check);
  return checks.some((check) => check.state === "failed") ? EXIT.failed : EXIT.ok;
}

const MARKS = {
  ok: pc.green("✔"),
  warning: pc.yellow("!"),
  failed: pc.red("✘"),
  skipped: pc.dim("-"),
} as const;

function writeCheck({ stdout }: CommandContext, { code, state, seen, fix }: Check): void {
  const [first = "", ...more] = seen.split("\n");
  writeOwn(stdout, `${MARKS[state]} ${toOneLine(`${code}: ${first}`)}`);
  for (const line of more) writeLine(stdout, `    ${line}`);
  if (fix !== null) writeLine(stdout, `    ${fix}`);
}

function ok(code: string, seen: string): Check {
  return { code, state: "ok", seen, fix: null };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function checkNode(): Check {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= 24) return ok("node", `Node ${process.versions.node}`);
  return {
    code: "node",
    state: "failed",
    seen: `Node ${process.versions.node}`,
    fix: "Node 24 or newer is needed; npm start brings it",
  };
}

async function checkProgram(program: string, packageName: string, loss: string): Promise<Check> {
  try {
    const { stdout } = await promisify(execFile)(program, ["--version"], { timeout: 5_000 });
    return ok(program, stdout.split("\n", 1)[0] ?? program);
  } catch {
    return { code: program, state: "warning", seen: `not found: ${loss}`, fix: `apt-get install ${packageName}` };
  }
}

async function checkConfiguration(context: CommandContext, { config }: DoctorOptions): Promise<Check> {
  const file = await findConfigurationFile(context, config);
  try {
    const { warnings } = await loadConfiguration(file, showFile(context, file));
    if (warnings.length === 0) return ok("configuration", `${showFile(context, file)} is valid`);
    return {
      code: "configuration",
      state: "warning",
      seen: [`${showFile(context, file)} is valid, with warnings`, ...formatWarnings(warnings)].join("\n"),
      fix: null,
    };
  } catch (error) {
    return {
      code: "configuration",
      state: "failed",
      seen: reasonOf(error),
      fix: "mend the file; branchward check tells when it is right",
    };
  }
}

async function checkDatabase(context: CommandContext): Promise<Check> {
  const { databaseUrl } = parseEnvironment(context.env, context.checkoutDir);
  if (databaseUrl === undefined) return ok("database", "embedded PostgreSQL (DATABASE_URL is not set)");
  await using connection = connectDatabase({ url: databaseUrl, max: 1, onError: () => undefined });
  try {
    const { rows } = await connection.pool.query<{ version: number }>(
      "select current_setting('server_version_num')::int as version",
    );
    const version = rows[0]?.version ?? 0;
    if (version < 150_000)
      return {
        code: "database",
        state: "failed",
        seen: `PostgreSQL ${Math.floor(version / 10_000)}`,
        fix: "PostgreSQL 15 or newer is needed",
      };
    const pending = await listPendingMigrations(connection.db);
    if (pending.length === 0) return ok("database", `PostgreSQL ${Math.floor(version / 10_000)}, tables up to date`);
    return {
      code: "database",
      state: "warning",
      seen: `not migrated: ${pending.join(", ")}`,
      fix: "run branchward migrate",
    };
  } catch (error) {
    return {
      code: "database",
      state: "failed",
      seen: reasonOf(error),
      fix: "check DATABASE_URL and that the server accepts connections",
    };
  }
}

async function checkRedis(context: CommandContext): Promise<Check> {
  const { redisUrl } = parseEnvironment(context.env, context.checkoutDir);
  if (redisUrl === undefined) return ok("queue", "BullMQ on PostgreSQL (REDIS_URL is not set)");
  await using backend = openQueueBackend({ kind: "redis", url: redisUrl }, () => undefined);
  try {
    const policy = await backend.evictionPolicy();
    if (policy === null || policy === "noeviction")
      return ok("queue", `Redis, maxmemory-policy ${policy ?? "not readable"}`);
    return {
      code: "queue",
      state: "failed",
      seen: `Redis with maxmemory-policy ${policy}: it throws jobs away when memory is short`,
      fix: "set maxmemory-policy noeviction",
    };
  } catch (error) {
    return {
      code: "queue",
      state: "failed",
      seen: reasonOf(error),
      fix: "check REDIS_URL and that the server accepts connections",
    };
  }
}

async function checkServer(context: CommandContext, options: DoctorOptions): Promise<readonly Check[]> {
  try {
    const api = await connectApi(context, options);
    const { body } = await api.request("GET", "/readyz");
    const { status, checks } = readyz.parse(body);
    const bad = Object.entries(checks).flatMap(([name, { ok: isOk, detail }]) =>
      isOk ? [] : [`${name}: ${detail ?? "failed"}`],
    );
    if (status !== "ready")
      return [
        { code: "server", state: "failed", seen: `${api.url} is not ready: ${bad.join("; ")}`, fix: "see its log" },
      ];
    const { items } = await api.get("/v1/findings?limit=200", page(findingItem));
    const findings = items.map((item): Check => ({
      code: item.kind,
      state: "warning",
      seen: `${item.subject}: ${item.message}`,
      fix: null,
    }));
    return [ok("server", `${api.url} is ready`), ...findings];
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const [seen = "", fix = null] = error.message.split("\n");
    return [{ code: "server", state: "failed", seen, fix }];
  }
}
