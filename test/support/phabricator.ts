/** A Phabricator server that tests run against: a real one, where the environment names it, and a stand-in. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { startConduitStandIn } from "./conduit-stand-in.ts";
import { addRepository, decidePush } from "./conduit-stand-in-world.ts";

export interface Push {
  readonly account: string;
  readonly password: string;
  readonly branch: string;
}

export interface KeyPush {
  /** The file of the private key. */
  readonly key: string;
  readonly branch: string;
}

interface PushOutcome {
  readonly isAccepted: boolean;
  readonly output: string;
}

export interface PhabricatorUnderTest extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** A hosted Git repository with commits; Phabricator's name for it. */
  readonly repository: string;
  /** One of which no commit was imported. */
  readonly emptyRepository: string;
  /** Calls Conduit as an administrator. @throws what Conduit refuses */
  call(method: string, parameters: object): Promise<unknown>;
  /** Pushes a new commit by HTTP. */
  push(push: Push): Promise<PushOutcome>;
  /** Pushes a new commit by SSH with a private key, beside which the public one lies; undefined where nobody can. */
  readonly pushBySsh: ((push: KeyPush) => Promise<PushOutcome>) | undefined;
  /** Puts the extension's files there, takes them away, or adds a broken one; undefined where they cannot be reached. */
  readonly setExtension: ((state: "installed" | "missing" | "broken") => Promise<void>) | undefined;
}

/** How a server under test is come by, under the name that tests show. */
export interface PhabricatorServer {
  readonly name: string;
  /** Whether `pushBySsh` is there. */
  readonly hasSsh: boolean;
  readonly open: (directory: string) => Promise<PhabricatorUnderTest>;
}

/** The servers of this run; a line on standard error says when no real one is among them. */
export function listPhabricatorServers(
  env: Readonly<Record<string, string | undefined>>,
): readonly PhabricatorServer[] {
  const standIn = { name: "a Conduit stand-in", hasSsh: true, open: openStandIn };
  const { PHORGE_URL: url, PHORGE_TOKEN: token, PHORGE_REPOSITORY: repository, PHORGE_EXTENSION: extension } = env;
  const { PHORGE_SSH: ssh } = env;
  if (url === undefined || token === undefined || repository === undefined) {
    process.stderr.write(
      "Tests against a real Phorge are not run: set PHORGE_URL, PHORGE_TOKEN and PHORGE_REPOSITORY (and PHORGE_EXTENSION, PHORGE_SSH).\n",
    );
    return [standIn];
  }
  const settings = { url, token, repository, extension, ssh };
  const hasSsh = ssh !== undefined;
  return [standIn, { name: `Phorge at ${url}`, hasSsh, open: (directory) => openReal(settings, directory) }];
}

async function openStandIn(): Promise<PhabricatorUnderTest> {
  const standIn = await startConduitStandIn();
  const { url, token, world } = standIn;
  addRepository(world, "acme/web", 1);
  addRepository(world, "acme/empty", 0);
  return {
    url,
    token,
    repository: "acme/web",
    emptyRepository: "acme/empty",
    call: (method, parameters) => callConduit({ url, token }, method, parameters),
    push: async ({ account, password, branch }) =>
      standIn.extension === "broken"
        ? { isAccepted: false, output: "The requested URL returned error: 500" }
        : decidePush(world, { repository: "acme/web", by: { userName: account, password }, branch, commits: 1 }),
    pushBySsh: async ({ key, branch }) => {
      const by = { key: (await readFile(`${key}.pub`, "utf8")).split(" ", 2).join(" ") };
      return decidePush(world, { repository: "acme/web", by, branch, commits: 1 });
    },
    setExtension: async (state) => {
      standIn.extension = state;
    },
    [Symbol.asyncDispose]: () => standIn[Symbol.asyncDispose](),
  };
}

interface RealSettings {
  readonly url: string;
  readonly token: string;
  readonly repository: string;
  /** The directory that the extension's files lie in, below `src/extensions`. */
  readonly extension: string | undefined;
  /** Where people come by SSH: `phorge@127.0.0.1:2222`. */
  readonly ssh: string | undefined;
}

async function openReal(settings: RealSettings, directory: string): Promise<PhabricatorUnderTest> {
  const { url, token, repository, extension, ssh } = settings;
  const call = (method: string, parameters: object): Promise<unknown> => callConduit(settings, method, parameters);
  const shortName = await findShortName(call, repository);
  const emptyRepository = `acme/empty-${randomBytes(4).toString("hex")}`;
  const transactions = [
    { type: "vcs", value: "git" },
    { type: "name", value: emptyRepository },
    { type: "status", value: "active" },
  ];
  await call("diffusion.repository.edit", { transactions });
  const copy = join(directory, "working-copy");
  await mkdir(copy);
  const git = (...args: readonly string[]) => runGit(copy, args);
  await git("init", "--quiet");
  async function pushTo(remote: string, branch: string, options: readonly string[] = []): Promise<PushOutcome> {
    await git("commit", "--quiet", "--allow-empty", "--message", randomBytes(8).toString("hex"));
    const { code, output } = await git(...options, "push", remote, `HEAD:refs/heads/${branch}`);
    return { isAccepted: code === 0, output };
  }
  return {
    url,
    token,
    repository,
    emptyRepository,
    call,
    push: ({ account, password, branch }) => {
      const remote = new URL(`/source/${shortName}.git`, url);
      Object.assign(remote, { username: account, password });
      return pushTo(remote.href, branch);
    },
    pushBySsh:
      ssh === undefined
        ? undefined
        : ({ key, branch }) =>
            pushTo(`ssh://${ssh}/source/${shortName}.git`, branch, ["-c", `core.sshCommand=${toSshCommand(key)}`]),
    setExtension: extension === undefined ? undefined : (state) => placeExtension(extension, state),
    [Symbol.asyncDispose]: async () => {
      if (extension !== undefined) await placeExtension(extension, "installed");
    },
  };
}

function toSshCommand(key: string): string {
  return `ssh -i ${key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F /dev/null`;
}

async function findShortName(call: PhabricatorUnderTest["call"], name: string): Promise<string> {
  const page = z.object({
    data: z.array(z.object({ fields: z.object({ name: z.string(), shortName: z.string().nullable() }) })),
  });
  const { data } = page.parse(await call("diffusion.repository.search", {}));
  const shortName = data.find(({ fields }) => fields.name === name)?.fields.shortName;
  if (shortName) return shortName;
  throw new Error(`PHORGE_REPOSITORY: there is no repository ${name} with a short name`);
}

async function placeExtension(place: string, state: "installed" | "missing" | "broken"): Promise<void> {
  const away = join(dirname(dirname(place)), `.${basename(place)}-away`);
  const broken = join(dirname(place), "broken.php");
  await rm(broken, { force: true });
  if (state === "missing") await rename(place, away);
  else await rename(away, place).catch(ignoreMissing);
  if (state === "broken") await writeFile(broken, "<?php\n\nfinal class Broken extends {\n");
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function runGit(cwd: string, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const identity = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.com", GIT_COMMITTER_NAME: "a" };
  const quiet = { GIT_COMMITTER_EMAIL: "a@example.com", GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1" };
  const env = { PATH: process.env["PATH"], HOME: cwd, ...identity, ...quiet };
  return new Promise((resolve, reject) => {
    execFile("git", args, { cwd, env, timeout: 30_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") resolve({ code, output: stdout + stderr });
      else reject(new Error(`git ${args[0]}: ${stdout}${stderr}`, { cause: error }));
    });
  });
}

async function callConduit(
  { url, token }: { readonly url: string; readonly token: string },
  method: string,
  parameters: object,
): Promise<unknown> {
  const params = JSON.stringify({ ...parameters, __conduit__: { token } });
  const response = await fetch(`${url}/api/${method}`, {
    method: "POST",
    body: new URLSearchParams({ params, output: "json" }),
  });
  const answer = z.object({ result: z.unknown(), error_info: z.string().nullable() }).parse(await response.json());
  if (answer.error_info !== null) throw new Error(`${method}: ${answer.error_info}`);
  return answer.result;
}
