/** Servers of a test: started on loopback, ended with it, never by name. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

interface SshdOptions {
  readonly directory: string;
  readonly port: number;
  readonly authorizedKeys: string;
  readonly settings?: readonly string[];
}

/** Makes a pair of keys; resolves with the file of the private one, beside which the public one lies. */
export async function makeKeyPair(file: string, comment = "test"): Promise<string> {
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
  return file;
}

/** A real sshd with a host key of its own; `settings` are further lines of its configuration. */
export async function startSshd(
  stack: AsyncDisposableStack,
  { directory, port, authorizedKeys, settings = [] }: SshdOptions,
): Promise<void> {
  const hostKey = join(directory, "host-key");
  await makeKeyPair(hostKey);
  // sshd gives up its rights in this directory; the package makes it at boot only.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const file = join(directory, "sshd_config");
  const lines = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorizedKeys}`,
  ];
  lines.push(
    "PermitRootLogin yes",
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    `PidFile ${join(directory, "sshd.pid")}`,
  );
  lines.push(...settings);
  await writeFile(file, `${lines.join("\n")}\n`);
  const log = join(directory, "sshd.log");
  own(stack, spawn("/usr/sbin/sshd", ["-D", "-f", file, "-E", log], { stdio: "ignore" }));
  await untilListening(port);
}

/** Ends the process with the stack. */
export function own(stack: AsyncDisposableStack, child: ChildProcess): void {
  const ended = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGTERM");
    await ended;
  });
}

const LISTENING_MS = 30_000;

/** Resolves when somebody listens at the port of loopback, or the socket. @throws when nobody does within 30 s */
export async function untilListening(target: number | string): Promise<void> {
  const end = performance.now() + LISTENING_MS;
  for (;;) {
    const socket = typeof target === "number" ? connect(target, "127.0.0.1") : connect(target);
    try {
      await once(socket, "connect");
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await setTimeout(50);
    } finally {
      socket.destroy();
    }
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  server.close();
  await once(server, "close");
  return port;
}
