/** A real Mercurial host: hgweb under uWSGI behind nginx with basic authentication, and sshd; all on loopback, in one directory. */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, makeKeyPair, own, startSshd, untilListening } from "./test-servers.ts";

const run = promisify(execFile);

export interface HgHost extends AsyncDisposable {
  readonly directory: string;
  readonly htpasswd: string;
  readonly authorizedKeys: string;
  /** Where hgweb lists the repositories. */
  readonly webUrl: string;
  pathOf(name: string): string;
  /** Makes a server repository with one changeset on `default`, and one on `stable`. */
  addRepository(name: string): Promise<void>;
  /** A fresh clone, with one new changeset on the branch; `bookmark` moves it there. */
  prepare(name: string, work: { readonly branch: string; readonly bookmark?: string }): Promise<string>;
  /** One more changeset in a clone, on another branch. */
  commitOn(clone: string, branch: string): Promise<void>;
  /** Pushes all of a clone; resolves with `accepted`, or `refused` and what was said. */
  pushByHttp(clone: string, name: string, by: { readonly account: string; readonly password: string }): Promise<string>;
  pushBySsh(clone: string, name: string, key: string): Promise<string>;
  /** Makes a key pair; resolves with the file of the private key. The public one lies beside it. */
  makeKey(name: string): Promise<string>;
  /** Serves one repository by an hgweb application of its own, at another address; resolves with that address. */
  serveSingle(name: string): Promise<string>;
}

/** Starts nginx, uWSGI and sshd; disposing ends them. The directory must be one that other users may enter. */
export async function startHgHost(directory: string): Promise<HgHost> {
  await using stack = new AsyncDisposableStack();
  const home = join(directory, "home");
  const files = { htpasswd: join(directory, "htpasswd"), authorizedKeys: join(directory, "authorized_keys") };
  await mkdir(home, { recursive: true });
  await mkdir(join(directory, "srv"));
  await chmod(directory, 0o755);
  await writeFile(join(home, ".hgrc"), "[ui]\nusername = Test <test@example.com>\n");
  for (const file of Object.values(files)) await writeFile(file, "", { mode: 0o600 });
  const ports = { web: await freePort(), single: await freePort(), ssh: await freePort() };
  await startWeb(stack, { directory, ports, htpasswd: files.htpasswd });
  await startSshd(stack, { directory, port: ports.ssh, authorizedKeys: files.authorizedKeys });
  const pathOf = (name: string): string => join(directory, "srv", name);
  const owned = stack.move();
  return {
    directory,
    ...files,
    webUrl: `http://127.0.0.1:${ports.web}`,
    pathOf,
    ...createHgClient({ directory, home, ports, pathOf }),
    async makeKey(name) {
      return makeKeyPair(join(directory, `key-${name}`), `${name}@laptop`);
    },
    async serveSingle(name) {
      await startUwsgi(owned, directory, { socket: "single.sock", target: pathOf(name) });
      return `http://127.0.0.1:${ports.single}`;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface ClientOptions {
  readonly directory: string;
  readonly home: string;
  readonly ports: { readonly web: number; readonly ssh: number };
  readonly pathOf: (name: string) => string;
}

type HgClient = Pick<HgHost, "addRepository" | "prepare" | "commitOn" | "pushByHttp" | "pushBySsh">;

/** What people do with repositories. */
function createHgClient({ directory, home, ports, pathOf }: ClientOptions): HgClient {
  const env = { PATH: process.env["PATH"], HOME: home, LC_ALL: "C.UTF-8", HGPLAIN: "1" };
  const hg: Hg = async (...args) => (await run("hg", args, { env, timeout: 30_000 })).stdout;
  const bookmarks = new Map<string, string>();
  const counter = { clones: 0 };

  async function push(clone: string, url: string, options: readonly string[]): Promise<string> {
    const bookmark = bookmarks.get(clone);
    const args = ["-R", clone, ...options, "push", "--new-branch", "-f", url];
    if (bookmark !== undefined) args.push("-B", bookmark);
    try {
      await hg(...args);
      return "accepted";
    } catch (error) {
      if (!(error instanceof Error) || !("stderr" in error) || !("code" in error)) throw error;
      // 1 says that there was nothing to push, which proves nothing.
      if (error.code === 1) throw error;
      return `refused: ${String(error.stderr)}`;
    }
  }

  return {
    async addRepository(name) {
      await mkdir(join(pathOf(name), ".."), { recursive: true });
      await hg("init", pathOf(name));
      await writeFile(join(pathOf(name), ".hg", "hgrc"), "[web]\npush_ssl = no\n");
      await commit(hg, pathOf(name));
      await hg("-R", pathOf(name), "branch", "stable");
      await commit(hg, pathOf(name));
      await hg("-R", pathOf(name), "update", "null");
    },
    async prepare(name, { branch, bookmark }) {
      counter.clones += 1;
      const clone = join(directory, `clone-${counter.clones}`);
      await hg("clone", "--updaterev", branch, pathOf(name), clone);
      if (bookmark !== undefined) await hg("-R", clone, "bookmark", "-f", bookmark);
      if (bookmark !== undefined) bookmarks.set(clone, bookmark);
      await commit(hg, clone);
      return clone;
    },
    async commitOn(clone, branch) {
      await hg("-R", clone, "update", branch);
      await commit(hg, clone);
    },
    pushByHttp(clone, name, { account, password }) {
      const auth = ["x.prefix=*", "x.schemes=http", `x.username=${account}`, `x.password=${password}`];
      const options = ["--noninteractive", ...auth.flatMap((each) => ["--config", `auth.${each}`])];
      return push(clone, `http://127.0.0.1:${ports.web}/${name}`, options);
    },
    pushBySsh(clone, name, key) {
      const ssh = `ssh -i ${key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F /dev/null`;
      const url = `ssh://${userInfo().username}@127.0.0.1:${ports.ssh}/${pathOf(name)}`;
      return push(clone, url, ["--config", `ui.ssh=${ssh}`]);
    },
  };
}

type Hg = (...args: readonly string[]) => Promise<string>;

async function commit(hg: Hg, repository: string): Promise<void> {
  await writeFile(join(repository, `file-${randomBytes(6).toString("hex")}`), "");
  await hg("-R", repository, "commit", "--addremove", "--message", "work");
}

/** hgweb over a repository, or, given a configuration, over all that it names, each opened anew at each request. */
const HGWEB = `
import os
from mercurial import demandimport
demandimport.enable()
from mercurial.hgweb import hgweb
application = hgweb(os.environ["HGWEB"].encode())
`;

interface WebOptions {
  readonly directory: string;
  readonly ports: { readonly web: number; readonly single: number };
  readonly htpasswd: string;
}

async function startWeb(stack: AsyncDisposableStack, { directory, ports, htpasswd }: WebOptions): Promise<void> {
  const webconf = join(directory, "hgweb.config");
  await writeFile(webconf, `[paths]\n/ = ${join(directory, "srv")}/**\n[web]\nrefreshinterval = 0\n`);
  await startUwsgi(stack, directory, { socket: "hg.sock", target: webconf });
  const parameters = ["QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "CONTENT_TYPE $content_type"];
  parameters.push("CONTENT_LENGTH $content_length", "REQUEST_URI $request_uri");
  parameters.push("SERVER_PROTOCOL $server_protocol", "REMOTE_ADDR $remote_addr", "REMOTE_USER $remote_user");
  parameters.push("SERVER_NAME 127.0.0.1", "SERVER_PORT $server_port");
  const server = (port: number, socket: string, paths: readonly string[]): string => `server {
    listen 127.0.0.1:${port};
    location / {
      auth_basic hg; auth_basic_user_file ${htpasswd};
      uwsgi_pass unix:${join(directory, socket)};
      ${[...parameters, ...paths].map((parameter) => `uwsgi_param ${parameter};`).join("\n      ")}
    }
  }`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${join(directory, `nginx-${kind}`)};`,
  );
  const configuration = `daemon off; ${process.getuid?.() === 0 ? "user root;" : ""} worker_processes 1;
pid ${join(directory, "nginx.pid")}; error_log ${join(directory, "nginx.log")} warn;
events {}
http {
  access_log off; client_max_body_size 100m; ${temporary.join(" ")}
  ${server(ports.web, "hg.sock", ["PATH_INFO $document_uri"])}
  ${server(ports.single, "single.sock", ["SCRIPT_NAME $document_uri", 'PATH_INFO ""'])}
}
`;
  const file = join(directory, "nginx.conf");
  await writeFile(file, configuration);
  own(stack, spawn("/usr/sbin/nginx", ["-c", file, "-p", directory], { stdio: "ignore" }));
  await untilListening(ports.web);
}

async function startUwsgi(
  stack: AsyncDisposableStack,
  directory: string,
  { socket, target }: { readonly socket: string; readonly target: string },
): Promise<void> {
  const file = join(directory, `${socket}.py`);
  await writeFile(file, HGWEB);
  const path = join(directory, socket);
  const args = ["--plugin", "python3", "--wsgi-file", file, "--socket", path, "--chmod-socket=666", "--processes", "2"];
  const surroundings = { PATH: process.env["PATH"], HOME: join(directory, "home"), LANG: "C.UTF-8", HGWEB: target };
  const child = spawn(
    "/usr/bin/uwsgi",
    [...args, "--master", "--need-app", "--die-on-term", "--disable-logging", "--logto", `${path}.log`],
    {
      env: surroundings,
      stdio: "ignore",
    },
  );
  own(stack, child);
  await untilListening(path);
}
