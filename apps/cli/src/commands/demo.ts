/** `branchward demo`: the main job on real repositories, narrated and checked; it ends by itself. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, parseEnvironment } from "@branchward/runtime";
import { createScimClient } from "@branchward/scim";
import { installHooks } from "@branchward/vcs/hooks";
import { connectApi } from "../api-client.ts";
import { EXAMPLE_FILE, loadSetup } from "../configuration-file.ts";
import { type CommandContext, EXIT, writeLine } from "../context.ts";
import { tellGitStory } from "../demo/git-story.ts";
import { tellHgStory } from "../demo/hg-story.ts";
import { createNarrator, type Narrator } from "../demo/narrator.ts";
import { createShell } from "../demo/shell.ts";
import type { Stage } from "../demo/stage.ts";
import { createWitness } from "../demo/witness.ts";
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
  const stage = await setStage(context, { directory, dataDir, system, narrator });
  await tellGitStory(stage);
  await tellHgStory(stage);
  writeLine(
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

interface Props {
  readonly directory: string;
  readonly dataDir: string;
  readonly system: System;
  readonly narrator: Narrator;
}

async function setStage(context: CommandContext, { directory, dataDir, system, narrator }: Props): Promise<Stage> {
  const hgrc = join(directory, "hgrc");
  await writeFile(hgrc, "[ui]\nusername = Alice Adams <alice@example.com>\n");
  const env = {
    PATH: context.env["PATH"],
    HOME: directory,
    LANG: "C.UTF-8",
    GIT_CONFIG_GLOBAL: join(directory, "gitconfig"),
    GIT_CONFIG_NOSYSTEM: "1",
    HGRCPATH: hgrc,
  };
  const secretFile = join(dataDir, "agent-secret");
  const token = system.adminToken.secret;
  const api = await connectApi({ ...context, env: { BRANCHWARD_TOKEN: token } }, { url: system.url });
  const scim = createScimClient({
    url: `${system.url}/scim/v2`,
    token: () => token,
    deadlineMs: 10_000,
    maxBytes: 10 << 20,
  });
  return {
    directory,
    narrator,
    shell: createShell(env),
    witness: createWitness(api, scim, narrator),
    async hooks(path, role) {
      const { repository } = await installHooks({
        path,
        role,
        env,
        url: system.url,
        source: "agents",
        secretFile,
        secret: null,
        repository: null,
        nodePath: process.execPath,
      });
      narrator.command(`branchward hooks install ${path.slice(directory.length + 1)} --${role}`);
      narrator.fact(`known as ${repository ?? "its remote"}`);
    },
  };
}
