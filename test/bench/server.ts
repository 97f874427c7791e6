/** Runs `branchward start` on a data directory of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "..", "..", "apps", "cli", "src", "main.ts");
export const ADMIN_TOKEN = "bench-admin-token-0123456789";
export const SECRET = "bench-secret-0123456789";

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly readyMs: number;
}

/** `config`: a configuration in place of the example. */
export async function startServer(dataDir: string, config?: string): Promise<Server> {
  const startedAt = performance.now();
  const env = {
    ...process.env,
    BRANCHWARD_DATA_DIR: dataDir,
    BRANCHWARD_PORT: "0",
    BRANCHWARD_ADMIN_TOKEN: ADMIN_TOKEN,
    BRANCHWARD_AGENT_SECRET: SECRET,
    GITHUB_WEBHOOK_SECRET: SECRET,
    BRANCHWARD_CONFIG: config,
    DATABASE_URL: undefined,
    REDIS_URL: undefined,
  };
  const child = spawn(process.execPath, [MAIN, "start"], { env, cwd: dataDir, stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = /ready.* at \S*?(http:\/\/[\d.:]+)/u.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`start ended with ${String(code)}: ${text}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    readyMs: performance.now() - startedAt,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}
