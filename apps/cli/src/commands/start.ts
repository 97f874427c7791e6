import { join } from "node:path";
import { AppError, UnavailableError } from "@branchward/core";
import { createLogger, onReloadSignal, openShutdownSignal, waitForAbort } from "@branchward/runtime";
import pc from "picocolors";
import { loadSetup, type Setup } from "../configuration-file.ts";
import { CommandError, type CommandContext, EXIT, writeLine, writeOwn } from "../context.ts";
import { loadExampleDirectory, withExampleSecrets } from "../start/example.ts";
import { type Role, startSystem, type System } from "../start/system.ts";

export interface StartOptions {
  readonly config?: string;
  /** Left out: receiver, api and worker. */
  readonly only?: Role;
}

/** `branchward start`: runs until SIGTERM or SIGINT. */
export async function start(context: CommandContext, options: StartOptions): Promise<number> {
  const startedAt = performance.now();
  const setup = await loadSetup(context, options.config);
  const { environment } = setup;
  if (options.only !== undefined && environment.databaseUrl === undefined) {
    throw new CommandError(EXIT.config, `start --only ${options.only} needs DATABASE_URL: the parts share one record`);
  }
  const signal = openShutdownSignal();
  const secretEnv = async () => (setup.isExample ? withExampleSecrets(context.env, environment.dataDir) : context.env);
  const log = createLogger({ level: context.env["BRANCHWARD_LOG_LEVEL"] || "warn" });
  await using system = await startSystem({
    ...setup,
    ...(options.only === undefined ? {} : { roles: [options.only] }),
    secretEnv,
    log,
  }).catch((error: unknown) => {
    // What is away may come back, and a supervisor may try again; what is misconfigured will not mend by itself.
    if (error instanceof UnavailableError) throw new CommandError(EXIT.failed, error.message);
    if (error instanceof AppError) throw new CommandError(EXIT.config, error.message);
    throw error;
  });
  if (setup.isExample && options.only === undefined) await loadExampleDirectory(system.url, system.adminToken.secret);
  for (const line of describe(setup, system, performance.now() - startedAt)) writeOwn(context.stdout, line);
  onReloadSignal(() => void system.readPolicyFile(), signal);
  const reason = await Promise.race([waitForAbort(signal), system.ended]);
  if (typeof reason === "string") throw new CommandError(EXIT.failed, `the embedded PostgreSQL ended: ${reason}`);
  writeLine(context.stdout, "stopping");
  return EXIT.ok;
}

function describe({ environment, loaded, isExample }: Setup, system: System, readyMs: number): readonly string[] {
  const { secret, made, file } = system.adminToken;
  const where = file === null ? "from BRANCHWARD_ADMIN_TOKEN" : `kept in ${file}`;
  const agent = loaded.configuration.sources.find((source) => source.type === "agent");
  const secretFile = isExample ? ` --secret-file ${join(environment.dataDir, "agent-secret")}` : "";
  const url = environment.port === 8787 && environment.host === "127.0.0.1" ? "" : ` --url ${system.url}`;
  const install =
    agent === undefined ? null : `npx branchward hooks install PATH --server${url} --source ${agent.name}${secretFile}`;
  return [
    ...system.notes.map((note) => `note: ${note}`),
    "",
    `${pc.bold("Branchward is ready")} at ${pc.bold(system.url)} (${(readyMs / 1000).toFixed(1)} s)`,
    `  configuration  ${loaded.configuration.file}${isExample ? " (the bundled example, with an example directory)" : ""}`,
    `  admin token    ${made ? secret : where}`,
    ...(made ? [`                 shown this once; ${where}`] : []),
    ...(install === null
      ? []
      : [
          "",
          "Connect a repository (a bare Git or a Mercurial repository that is pushed to, by its path):",
          `  ${install}`,
          "and each working copy the same way with --client in place of --server.",
        ]),
    "",
  ];
}
