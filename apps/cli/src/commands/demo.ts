/** `branchward demo`: the main job on real repositories, narrated and checked; it ends by itself. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, parseEnvironment } from "@branchward/runtime";
import { EXAMPLE_FILE, loadSetup } from "../configuration-file.ts";
import { type CommandContext, EXIT, writeOwn } from "../context.ts";
import { tellGitStory } from "../demo/git-story.ts";
import { tellHgStory } from "../demo/hg-story.ts";
import { createNarrator } from "../demo/narrator.ts";
import { createStage } from "../demo/stage.ts";
import { loadExampleDirectory, withExampleSecrets } from "../start/example.ts";
import { startSystem, type System } from "../start/system.ts";
import { ensureTools } from "../tools/ensure-tools.ts";

export async function demo(context: CommandContext): Promise<number> {
  const startedAt = performance.now();
  const narrator = createNarrator(context);
  await ensureTools(["git", "hg"], (line) => narrator.fact(line));
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "branchward-demo-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const dataDir = join(directory, "data");
  narrator.title("Branchward starts on an embedded PostgreSQL, with the example configuration and directory");
  const system = stack.use(await startDemoSystem(context, dataDir));
  await loadExampleDirectory(system.url, system.adminToken.secret);
  narrator.fact(`ready at ${system.url} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  const stage = await createStage({
    context,
    directory,
    narrator,
    receiverUrl: system.url,
    apiUrl: system.url,
    adminToken: system.adminToken.secret,
    secretFile: join(dataDir, "agent-secret"),
  });
  await tellGitStory(stage);
  await tellHgStory(stage);
  writeOwn(
    context.stdout,
    `\nEvery step was read back over SCIM and is true (${((performance.now() - startedAt) / 1000).toFixed(1)} s).`,
  );
  return EXIT.ok;
}

async function startDemoSystem(context: CommandContext, dataDir: string): Promise<System> {
  const env = { ...context.env, DATABASE_URL: undefined, REDIS_URL: undefined, BRANCHWARD_ADMIN_TOKEN: undefined };
  const own = { ...env, BRANCHWARD_DATA_DIR: dataDir, BRANCHWARD_PORT: "0", BRANCHWARD_HOST: "127.0.0.1" };
  const environment = parseEnvironment(own, context.checkoutDir);
  const { loaded } = await loadSetup({ ...context, env: own }, EXAMPLE_FILE);
  const secretEnv = () => withExampleSecrets({}, dataDir);
  return startSystem({ environment, loaded, secretEnv, log: createLogger({ level: "error" }) });
}
