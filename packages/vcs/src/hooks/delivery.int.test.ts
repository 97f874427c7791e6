import { readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hooksStatus } from "./status.ts";
import { getArrival, type Lab, openLab, openReceiver, type TestReceiver, waitFor } from "./testing.ts";

let lab: Lab;
let receiver: TestReceiver;
let work: string;
let home: string;

beforeEach(async () => {
  lab = await openLab();
  receiver = await openReceiver();
  work = path.join(lab.dir, "acme/web");
  home = path.join(work, ".git/branchward");
  await lab.run(lab.dir, "git", "init", "-q", work);
  await lab.run(work, "git", "commit", "-q", "--allow-empty", "-m", "one");
  await lab.install({ path: work, role: "client", url: receiver.url });
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const checkout = async (name: string): Promise<string> => await lab.run(work, "git", "checkout", "-q", "-b", name);
const names = (): (string | null | undefined)[] => receiver.arrivals.map((arrival) => arrival.checkout?.name);
const status = async (): ReturnType<typeof hooksStatus> =>
  await hooksStatus({ path: work, role: "client", env: lab.env });
const spooled = async (): Promise<string[]> => await readdir(path.join(home, "spool"));
const waitForAttempts = async (count: number): Promise<void> =>
  await waitFor(
    () => receiver.attempts() >= count,
    () => `${receiver.attempts()} of ${count} attempts`,
  );

async function closedPort(): Promise<number> {
  await using closed = await openReceiver();
  return Number(new URL(closed.url).port);
}

describe("the agent", () => {
  it("keeps events while the receiver is away and sends them in order when it is back", async () => {
    const port = await closedPort();
    await lab.install({ path: work, role: "client", url: `http://127.0.0.1:${port}` });
    for (const name of ["a", "b", "c"]) await checkout(name);
    await waitFor(
      async () => (await spooled()).length === 3,
      () => "three events in the spool",
    );
    await waitFor(
      async () => (await status()).lastSend !== null,
      () => "an attempt",
    );
    expect((await status()).pending).toMatchObject({ count: 3, oldestAgeMs: expect.any(Number) });
    await using back = await openReceiver(port);
    const arrivals = await back.wait(3);
    expect(arrivals.map((arrival) => arrival.checkout?.name)).toEqual(["a", "b", "c"]);
    await waitFor(
      async () => (await spooled()).length === 0,
      () => "an empty spool",
    );
  });

  it("tells when the hook ran, however late its agent started", async () => {
    const ran = path.join(home, "ran.1");
    const at = new Date("2026-01-02T03:04:05.678Z");
    await writeFile(ran, "");
    await utimes(ran, at, at);
    const agent = path.join(home, "agent/agent.js");
    const revision = (await lab.run(work, "git", "rev-parse", "HEAD")).trim();
    await lab.run(
      work,
      "env",
      `BRANCHWARD_RAN=${ran}`,
      process.execPath,
      agent,
      "post-checkout",
      revision,
      revision,
      "ref: refs/heads/late",
    );
    const { raw } = getArrival(await receiver.wait(1), 0);
    expect(JSON.parse(raw)).toMatchObject({ occurredAt: at.toISOString(), checkout: { name: "late" } });
    expect(await readdir(home)).not.toContain("ran.1");
  });

  it("leaves nothing behind of when a hook ran", async () => {
    await checkout("a");
    await receiver.wait(1);
    expect((await readdir(home)).filter((name) => name.startsWith("ran."))).toEqual([]);
  });

  it("sends with the next hook what a process that ended left behind", async () => {
    const left = `${String(Date.now() - 1000).padStart(15, "0")}-0000-left-behind.json`;
    await checkout("a");
    const { raw } = getArrival(await receiver.wait(1), 0);
    await waitFor(
      async () => (await spooled()).length === 0,
      () => "an empty spool",
    );
    await writeFile(path.join(home, "spool", left), raw.replace('"a"', '"earlier"'));
    await checkout("b");
    await receiver.wait(3);
    expect(names()).toEqual(["a", "earlier", "b"]);
    expect(getArrival(receiver.arrivals, 1).id).toBe("left-behind");
  });

  it("tries again by itself after a failure of the receiver, under the same id with a new signature", async () => {
    receiver.fault = (response, attempt) => attempt <= 2 && response.writeHead(500).end("broken") !== undefined;
    await checkout("a");
    await receiver.wait(1);
    expect(receiver.attempts()).toBe(3);
    expect(receiver.rejected()).toBe(0);
    await waitFor(
      async () => (await status()).lastSend?.ok === true,
      () => "a successful last send",
    );
  });

  it("keeps events that are answered 401, since the secret may be put right", async () => {
    receiver.fault = (response) => response.writeHead(401).end() !== undefined;
    await checkout("a");
    await waitForAttempts(2);
    receiver.fault = null;
    await receiver.wait(1);
    expect(names()).toEqual(["a"]);
  });

  it("does not ask again before Retry-After has passed", async () => {
    const times: number[] = [];
    receiver.fault = (response) => {
      times.push(performance.now());
      return times.length === 1 && response.writeHead(429, { "retry-after": "2" }).end() !== undefined;
    };
    await checkout("a");
    await waitForAttempts(1);
    await checkout("b");
    await receiver.wait(2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1900);
    expect(names()).toEqual(["a", "b"]);
  });

  it("takes an event aside that the receiver will never accept, with the answer, and goes on", async () => {
    receiver.fault = (response, attempt) => attempt === 1 && response.writeHead(413).end("too large") !== undefined;
    await checkout("a");
    await waitForAttempts(1);
    await checkout("b");
    await receiver.wait(1);
    expect(names()).toEqual(["b"]);
    const [refused = ""] = await readdir(path.join(home, "refused"));
    expect(JSON.parse(await readFile(path.join(home, "refused", refused), "utf8"))).toMatchObject({
      answer: "413 too large",
      body: expect.stringContaining('"a"'),
    });
    expect((await status()).refused).toBe(1);
  });

  it("goes on with other events while the receiver fails on one", async () => {
    receiver.fault = (response, _, body) =>
      body.includes('"a"') && !names().includes("b") && response.writeHead(500).end() !== undefined;
    await checkout("a");
    await waitForAttempts(1);
    await checkout("b");
    await receiver.wait(2);
    expect(names()).toEqual(["b", "a"]);
  });

  it("does not take a 200 for delivered: it may come from anything in between", async () => {
    receiver.fault = (response, attempt) => attempt === 1 && response.writeHead(200).end("<html>") !== undefined;
    await checkout("a");
    await receiver.wait(1);
    expect(receiver.attempts()).toBe(2);
  });

  it("does not make the user wait for a receiver that never answers", async () => {
    receiver.fault = () => true;
    await checkout("a");
    await waitForAttempts(1);
    expect(await spooled()).toHaveLength(1);
    expect((await status()).lastSend).toBeNull();
  });

  it("lets one process send at a time, and loses nothing of many at once", async () => {
    const hook = path.join(work, ".git/hooks/post-checkout");
    const head = (await lab.run(work, "git", "rev-parse", "HEAD")).trim();
    await Promise.all(Array.from({ length: 20 }, async () => await lab.run(work, hook, head, head, "1")));
    await receiver.wait(20);
    expect(receiver.attempts()).toBe(20);
  });

  it("takes over from a sender that was killed", async () => {
    const lock = path.join(home, "sender.lock");
    await writeFile(lock, `${hostname()} 4194304`);
    await checkout("a");
    await receiver.wait(1);
    await waitFor(
      async () => !(await readdir(home)).includes("sender.lock"),
      () => "the lock released",
    );
    await writeFile(lock, "elsewhere 1");
    await utimes(lock, new Date(0), new Date(0));
    await checkout("b");
    await receiver.wait(2);
    expect(names()).toEqual(["a", "b"]);
  });

  it("keeps the oldest when the spool is full, and says what it lost", async () => {
    const port = await closedPort();
    await lab.install({ path: work, role: "client", url: `http://127.0.0.1:${port}` });
    const big = "x".repeat(64 * 1024 * 1024);
    await writeFile(path.join(home, "spool", `${"1".padStart(15, "0")}-0000-old.json`), big);
    await checkout("a");
    const log = path.join(home, "agent.log");
    await waitFor(
      async () =>
        await readFile(log, "utf8").then(
          (text) => text.includes("spool full"),
          () => false,
        ),
      () => "a line in the log",
    );
    expect(await spooled()).toHaveLength(1);
  });

  it("writes for its owner alone what it keeps", async () => {
    const port = await closedPort();
    await lab.install({ path: work, role: "client", url: `http://127.0.0.1:${port}` });
    await checkout("a");
    await waitFor(
      async () => (await status()).lastSend !== null,
      () => "an attempt",
    );
    const [entry = ""] = await spooled();
    for (const file of [`spool/${entry}`, "secret", "config.json", "agent.log", "last-send.json"]) {
      expect([file, (await stat(path.join(home, file))).mode & 0o777]).toEqual([file, 0o600]);
    }
    expect((await stat(home)).mode & 0o777).toBe(0o700);
  });

  it("begins a new log when the old one is long", async () => {
    const log = path.join(home, "agent.log");
    await writeFile(log, "x".repeat(300_000));
    receiver.fault = (response) => response.writeHead(410).end() !== undefined;
    await checkout("a");
    await waitFor(
      async () => (await stat(log)).size < 1000,
      () => "a new log",
    );
    expect((await stat(`${log}.1`)).size).toBe(300_000);
  });
});
