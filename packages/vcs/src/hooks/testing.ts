/** For the tests of the hooks: real repositories in a temporary directory, and a receiver that checks what arrives. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NormalizedDelivery } from "@branchward/core";
import { decodeSecret, findReceiver } from "../receive.ts";
import { type InstallReport, type InstallRequest, installHooks } from "./install.ts";
import type { Environment } from "./target.ts";

export const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** One delivery whose signature was right. */
export interface Arrival extends NormalizedDelivery {
  readonly id: string;
  readonly raw: string;
}

/** Answers a request in place of the 202; return false to leave it to the 202. */
export type Fault = (response: ServerResponse, attempt: number, body: string) => boolean;

export interface TestReceiver extends AsyncDisposable {
  readonly url: string;
  readonly arrivals: readonly Arrival[];
  /** Requests whose signature was wrong. */
  readonly rejected: () => number;
  readonly attempts: () => number;
  fault: Fault | null;
  /** Waits until at least this many deliveries have arrived. */
  wait(count: number): Promise<readonly Arrival[]>;
}

/** A receiver on a free port of the loopback, or on the given one. */
export async function openReceiver(port = 0): Promise<TestReceiver> {
  const arrivals: Arrival[] = [];
  const counters = { rejected: 0, attempts: 0 };
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      counters.attempts += 1;
      if (receiver.fault?.(response, counters.attempts, body.toString("utf8"))) return;
      const arrival = accept(request.headers, body);
      if (arrival === undefined) counters.rejected += 1;
      // A delivery is known by its id, as the real receiver knows it.
      else if (!arrivals.some(({ id }) => id === arrival.id)) arrivals.push(arrival);
      response.writeHead(arrival === undefined ? 401 : 202).end();
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  const receiver: TestReceiver = {
    url: `http://127.0.0.1:${bound}`,
    arrivals,
    rejected: () => counters.rejected,
    attempts: () => counters.attempts,
    fault: null,
    async wait(count) {
      await waitFor(
        () => arrivals.length >= count,
        () => `${arrivals.length} of ${count} deliveries arrived`,
      );
      return arrivals;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return receiver;
}

async function readBody(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function accept(headers: IncomingHttpHeaders, body: Buffer): Arrival | undefined {
  const { verify, deliveryId, normalize } = findReceiver("agent");
  const now = new Date();
  if (!verify({ headers, body, secrets: [decodeSecret(secret)], now }).ok) return undefined;
  const payload: unknown = JSON.parse(body.toString("utf8"));
  const id = deliveryId({ headers, body });
  return { ...normalize({ headers, payload, receivedAt: now }), id, raw: body.toString("utf8") };
}

/** Waits for a condition, asking often; fails with what `describe` says after 20 seconds. */
export async function waitFor(condition: () => boolean | Promise<boolean>, describe: () => string): Promise<void> {
  const until = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`Waited in vain: ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Lab extends AsyncDisposable {
  readonly dir: string;
  readonly env: Environment;
  /** Runs a program and fails unless it exits 0. */
  run(cwd: string, program: string, ...args: readonly string[]): Promise<string>;
  /** Runs a program whatever it exits with. */
  tryRun(
    cwd: string,
    options: { env?: Environment; input?: string },
    program: string,
    ...args: readonly string[]
  ): Promise<CommandResult>;
  install(request: Pick<InstallRequest, "path" | "role" | "url"> & Partial<InstallRequest>): Promise<InstallReport>;
}

/** A temporary directory with a home of its own; what agents started in it still run is ended with it. */
export async function openLab(): Promise<Lab> {
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), "branchward-hooks-")));
  const home = path.join(dir, "home");
  await mkdir(home);
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_DATE: "1700000000 +0000",
    GIT_COMMITTER_DATE: "1700000000 +0000",
    LC_ALL: "C.UTF-8",
  };
  await writeFile(
    path.join(home, ".gitconfig"),
    '[user]\n\tname = Alice\n\temail = alice@example.com\n[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n',
  );
  await writeFile(path.join(home, ".hgrc"), "[ui]\nusername = Alice <alice@example.com>\n");
  const lab: Lab = {
    dir,
    env,
    async run(cwd, program, ...args) {
      const { code, stdout, stderr } = await lab.tryRun(cwd, {}, program, ...args);
      if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
      return stdout;
    },
    tryRun: async (cwd, options, program, ...args) =>
      await runProgram({ cwd, env: { ...env, ...options.env }, input: options.input ?? "" }, program, args),
    install: async (request) =>
      await installHooks({
        source: "agents",
        secretFile: null,
        secret,
        repository: null,
        nodePath: process.execPath,
        env,
        ...request,
      }),
    async [Symbol.asyncDispose]() {
      await endAgents(dir);
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return lab;
}

async function runProgram(
  { cwd, env, input }: { readonly cwd: string; readonly env: Environment; readonly input: string },
  program: string,
  args: readonly string[],
): Promise<CommandResult> {
  return await new Promise((resolve, reject) => {
    const child = execFile(program, args, { cwd, env, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") resolve({ code, stdout, stderr });
      else reject(error ?? new Error(`${program} was killed`));
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** Ends the senders that hold a lock in this directory, by their process ids. */
async function endAgents(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (entry.name !== "sender.lock") continue;
    const holder = await readFile(path.join(entry.parentPath, entry.name), "utf8").catch(() => "");
    const pid = Number(holder.split(" ")[1]);
    if (pid > 1) tryKill(pid);
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** The files below a directory that hold this text; what is removed meanwhile holds nothing. */
export async function listFilesWith(directory: string, text: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map(async (file) => await readFile(file, "utf8").catch(() => "")));
  return files.filter((_, index) => contents[index]?.includes(text));
}

/** The arrival at this place; fails where there is none. */
export function getArrival(arrivals: readonly Arrival[], index: number): Arrival {
  const arrival = arrivals[index];
  if (arrival === undefined) throw new Error(`No delivery ${index} among ${arrivals.length}`);
  return arrival;
}
