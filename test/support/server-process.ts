/** `branchward start` as a process of its own, which a test may kill. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../apps/cli/src/main.ts");

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  /** Ends it as a power cut would; resolves when it is gone. */
  kill(): Promise<void>;
  /** Asks it to end; resolves with its exit code. */
  terminate(): Promise<number | null>;
}

export interface ServerOptions {
  readonly cwd: string;
  /** All of the environment but PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts it and waits until it says that it is ready. @throws with all it printed when it ends before. */
export async function startServerProcess({ cwd, env }: ServerOptions): Promise<ServerProcess> {
  const surroundings = { PATH: process.env["PATH"], HOME: cwd, ...env };
  const child = spawn(process.execPath, [MAIN, "start"], { cwd, env: surroundings, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  await waitUntilReady(child);
  return {
    pid: child.pid ?? 0,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async terminate() {
      child.kill("SIGTERM");
      await ended;
      return child.exitCode;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function waitUntilReady(child: ChildProcess): Promise<void> {
  let text = "";
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("is ready")) resolve();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once("exit", (code, signal) => reject(new Error(`start ended with ${String(code ?? signal)}: ${text}`)));
    child.once("error", reject);
  });
}
