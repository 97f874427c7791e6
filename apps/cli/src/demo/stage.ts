/** What a story is told on: real repositories in a directory, and a running Branchward. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createScimClient } from "@branchward/scim";
import { installHooks } from "@branchward/vcs/hooks";
import { connectApi } from "../api-client.ts";
import type { CommandContext } from "../context.ts";
import type { Narrator } from "./narrator.ts";
import { createShell, type Shell } from "./shell.ts";
import { createWitness, type Witness } from "./witness.ts";

export interface Stage {
  /** A temporary directory. */
  readonly directory: string;
  readonly shell: Shell;
  readonly narrator: Narrator;
  readonly witness: Witness;
  /** Installs Branchward's hooks as `branchward hooks install` does, and says so. */
  readonly hooks: (path: string, role: "client" | "server") => Promise<void>;
}

export interface StageOptions {
  readonly context: CommandContext;
  readonly directory: string;
  readonly narrator: Narrator;
  /** Where hooks are received. */
  readonly receiverUrl: string;
  /** Where api and directory are. */
  readonly apiUrl: string;
  readonly adminToken: string;
  /** The file with the agent source's secret. */
  readonly secretFile: string;
}

export async function createStage(options: StageOptions): Promise<Stage> {
  const { context, directory, narrator, apiUrl, adminToken } = options;
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
  const api = await connectApi({ ...context, env: { BRANCHWARD_TOKEN: adminToken } }, { url: apiUrl });
  const limits = { deadlineMs: 10_000, maxBytes: 10 << 20 };
  const directoryClient = createScimClient({ url: `${apiUrl}/scim/v2`, token: () => adminToken, ...limits });
  return {
    directory,
    narrator,
    shell: createShell(env),
    witness: createWitness(api, directoryClient, narrator),
    async hooks(path, role) {
      const { repository } = await installHooks({
        path,
        role,
        env,
        url: options.receiverUrl,
        source: "agents",
        secretFile: options.secretFile,
        secret: null,
        repository: null,
        nodePath: process.execPath,
      });
      narrator.command(`branchward hooks install ${path.slice(directory.length + 1)} --${role}`);
      narrator.fact(`known as ${repository ?? "its remote"}`);
    },
  };
}
