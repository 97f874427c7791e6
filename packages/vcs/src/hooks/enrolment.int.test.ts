import { once } from "node:events";
import { chmod, stat } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { saveEnrolment } from "./enrolment.ts";
import { hooksStatus } from "./status.ts";
import { type Lab, openLab, waitFor } from "./testing.ts";

let lab: Lab;
let receiver: Awaited<ReturnType<typeof openRecorder>>;

/** Takes whatever comes and keeps how it was proved. */
async function openRecorder() {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    request.resume().on("end", () => response.writeHead(202).end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    seen,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

beforeEach(async () => {
  lab = await openLab();
  receiver = await openRecorder();
  await lab.run(lab.dir, "git", "init", "-q", "--bare", "srv/acme/web.git");
  await lab.run(lab.dir, "git", "clone", "-q", "srv/acme/web.git", "clone");
  for (const args of [
    ["commit", "-q", "--allow-empty", "-m", "one"],
    ["push", "-q", "-u", "origin", "main"],
  ]) {
    await lab.run(clone(), "git", ...args);
  }
});
afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const clone = () => path.join(lab.dir, "clone");
const enrolment = { token: "bw_agent_x", user: "alice", device: "laptop", expiresAt: null };

/** The headers with which a checkout of a new branch is told. */
async function tellCheckout(name: string): Promise<IncomingHttpHeaders | undefined> {
  const count = receiver.seen.length;
  await lab.run(clone(), "git", "checkout", "-q", "-b", name);
  await waitFor(
    () => receiver.seen.length > count,
    () => "the checkout was not told",
  );
  return receiver.seen.at(-1);
}

describe("an enrolled device", () => {
  it("shows its token in place of a signature, and needs no secret", async () => {
    const file = await saveEnrolment(lab.env, `${receiver.url}/`, enrolment);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { notes } = await lab.install({ path: clone(), role: "client", url: receiver.url, secret: null });
    expect(notes).toEqual(["Checkouts are told with this device's token (branchward hooks enroll)."]);
    const headers = await tellCheckout("one");
    expect(headers?.authorization).toBe("Bearer bw_agent_x");
    expect(headers?.["webhook-id"]).toMatch(/^[\w-]+$/u);
    expect(headers).not.toHaveProperty("webhook-signature");
    const { device } = await hooksStatus({ path: clone(), role: "client", env: lab.env });
    expect(device).toEqual({ user: "alice", device: "laptop", expiresAt: null });
  });

  it("shows the token to the address that gave it, and to no other", async () => {
    await saveEnrolment(lab.env, "http://127.0.0.1:1", enrolment);
    await lab.install({ path: clone(), role: "client", url: receiver.url });
    const headers = await tellCheckout("one");
    expect(headers).not.toHaveProperty("authorization");
    expect(headers).toHaveProperty("webhook-signature");
  });

  it("signs where others write the spool too, for whom it must not speak", async () => {
    await saveEnrolment(lab.env, receiver.url, enrolment);
    await lab.install({ path: clone(), role: "client", url: receiver.url });
    await chmod(path.join(clone(), ".git/branchward"), 0o2770);
    expect(await tellCheckout("one")).not.toHaveProperty("authorization");
  });

  it("is no server: what a server's hooks tell is signed", async () => {
    await saveEnrolment(lab.env, receiver.url, enrolment);
    const server = path.join(lab.dir, "srv/acme/web.git");
    await expect(lab.install({ path: server, role: "server", url: receiver.url, secret: null })).rejects.toThrow(
      "No secret",
    );
    await lab.install({ path: server, role: "server", url: receiver.url });
    await lab.run(clone(), "git", "push", "-q", "origin", "main:refs/heads/other");
    await waitFor(
      () => receiver.seen.length > 0,
      () => "the push was not told",
    );
    expect(receiver.seen[0]).not.toHaveProperty("authorization");
  });

  it("keeps the tokens of other addresses when it is enrolled at one more", async () => {
    await saveEnrolment(lab.env, "http://127.0.0.1:1", enrolment);
    await saveEnrolment(lab.env, receiver.url, { ...enrolment, token: "bw_agent_y" });
    await lab.install({ path: clone(), role: "client", url: receiver.url });
    expect((await tellCheckout("one"))?.authorization).toBe("Bearer bw_agent_y");
    await lab.install({ path: clone(), role: "client", url: "http://127.0.0.1:1" });
    const { device } = await hooksStatus({ path: clone(), role: "client", env: lab.env });
    expect(device?.user).toBe("alice");
  });
});
