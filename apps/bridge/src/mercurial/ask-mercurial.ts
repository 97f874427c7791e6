/** Hides the process in which Mercurial's own code reads a repository's configuration, as the user that serves it. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { z } from "zod";
import { createLock } from "../store/locked.ts";
import type { Settings } from "./rules.ts";

/** May this account push to this branch, or move this bookmark? */
export interface AclQuestion {
  readonly account: string;
  readonly kind: "branches" | "bookmarks";
  readonly name: string;
}

/** What Mercurial sees. */
export interface AclAnswer {
  readonly settings: Settings;
  /** False where the hgrc is of an owner whom the server does not trust. */
  readonly isTrusted: boolean;
  /** The uid of the hgrc's owner. */
  readonly owner: number;
  /** In the order of the questions. */
  readonly answers: readonly boolean[];
}

export interface AskMercurial extends AsyncDisposable {
  /** Reads the configuration anew. @throws Error with Mercurial's own words where it cannot, or after 10 s */
  ask(path: string, questions: readonly AclQuestion[]): Promise<AclAnswer>;
}

const DEADLINE_MS = 10_000;
const SCRIPT = join(import.meta.dirname, "ask.py");

const reply = z.union([
  z.object({ error: z.string() }),
  z.object({
    settings: z.record(z.string(), z.record(z.string(), z.string())),
    isTrusted: z.boolean(),
    owner: z.int(),
    answers: z.array(z.boolean()),
  }),
]);

/** Asks as one user, with the Python that Mercurial runs on; the process starts when it is needed, and anew after a failure. */
export function createAskMercurial({ python, user }: { readonly python: string; readonly user: string }): AskMercurial {
  const state: { helper: Helper | undefined } = { helper: undefined };
  const lock = createLock();

  function end(): void {
    state.helper?.child.kill("SIGKILL");
    state.helper = undefined;
  }

  async function ask(path: string, questions: readonly AclQuestion[]): Promise<AclAnswer> {
    const asked = { path, questions: questions.map(({ account, kind, name }) => [account, kind, name]) };
    try {
      if (state.helper?.failure !== undefined) end();
      state.helper ??= startHelper(python, user);
      const answer = reply.parse(JSON.parse(await exchange(state.helper, JSON.stringify(asked))));
      if ("error" in answer) throw new MercurialRefusal(answer.error);
      return answer;
    } catch (error) {
      if (!(error instanceof MercurialRefusal)) end();
      throw error;
    }
  }

  return {
    ask: (path, questions) => lock(() => ask(path, questions)),
    [Symbol.asyncDispose]: () => lock(async () => end()),
  };
}

/** Mercurial answered, and the answer is that it cannot. */
class MercurialRefusal extends Error {}

interface Helper {
  readonly child: ChildProcessWithoutNullStreams;
  readonly lines: Interface;
  /** Why no further answer will come. */
  failure: string | undefined;
  /** Told of the failure while an answer is awaited. */
  onFailure: (reason: string) => void;
}

function startHelper(python: string, user: string): Helper {
  // The server's own environment is small; what stands in ours must not change what is read.
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8", HGENCODING: "utf-8" };
  const child = spawn(python, ["-B", SCRIPT, user], { env, cwd: "/", stdio: "pipe" });
  const helper: Helper = {
    child,
    lines: createInterface({ input: child.stdout }),
    failure: undefined,
    onFailure: () => undefined,
  };
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => void said.splice(0, said.length, chunk.toString("utf8").slice(-2_000)));
  const fail = (cause: string): void => {
    helper.failure ??= said.join("").trim().split("\n").at(-1) || cause;
    helper.onFailure(helper.failure);
  };
  child.on("error", ({ message }) => fail(message));
  child.on("close", (code) => fail(`its process ended with ${String(code)}`));
  child.stdin.on("error", ({ message }) => fail(message));
  return helper;
}

/** One line in, one line out. */
function exchange(helper: Helper, question: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`Mercurial gave no answer within ${DEADLINE_MS / 1000} s`));
    }, DEADLINE_MS);
    const refuse = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`Mercurial could not be asked: ${reason}`));
    };
    helper.onFailure = refuse;
    helper.lines.once("line", (line) => {
      clearTimeout(timer);
      resolve(line);
    });
    helper.child.stdin.write(`${question}\n`);
  });
}
