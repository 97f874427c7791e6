/** A policy may be as large over HTTP as on disk, and is refused in the same words one byte above. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MAX_CONFIGURATION_BYTES } from "@branchward/core";
import { policyDetails } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };
const [LARGE, TOO_LARGE] = [MAX_CONFIGURATION_BYTES, MAX_CONFIGURATION_BYTES + 1];
const REFUSAL = "the file has 1000001 bytes; a configuration has at most 1000000";

/** Padded with a comment of which JSON escapes each byte. */
function createPolicy(branches: string, bytes: number): string {
  const text = `
sources:
  - { name: agents, type: agent, secret: { env: AGENT_SECRET }, may: [checkout, refs] }
policy:
  - { repositories: ["**"], branches: ["${branches}"], grants: [{ entitlement: push, to: ["group:engineering"] }] }
#`;
  return text + '"'.repeat(bytes - Buffer.byteLength(text));
}

describe("a policy at the limit of its size", () => {
  const context: { system: TestSystem } = {} as never;
  beforeAll(async () => {
    context.system = await startTestSystem({ policy: "policy: []" });
  });
  afterAll(() => context.system[Symbol.asyncDispose]());

  const getText = async () => policyDetails.parse((await context.system.api.request("/v1/policy")).body).text;
  const listBroken = async () =>
    (await context.system.api.listFindings())
      .filter(({ kind }) => kind === "policy-broken")
      .map(({ message }) => message);

  it.each(["/v1/policy/plan", "/v1/policy/versions"])("is taken by POST %s", async (path) => {
    const post = (bytes: number) =>
      context.system.api.request(path, { method: "POST", body: { text: createPolicy("api/**", bytes) } });
    expect(await post(LARGE)).toMatchObject({ status: 200 });
    expect(await post(TOO_LARGE)).toMatchObject({
      status: 413,
      body: { code: "configuration_too_large", detail: REFUSAL },
    });
    expect(await post(2 * LARGE)).toMatchObject({ status: 413, body: { code: "body_too_large" } });
    expect(await getText()).not.toHaveLength(TOO_LARGE);
  });

  it("is planned on the command line", async () => {
    const { system } = context;
    const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
    const plan = async (bytes: number) => {
      await writeFile(join(system.directory, "large.yaml"), createPolicy("cli/**", bytes));
      return runCommand(["plan", "large.yaml"], { cwd: system.directory, env });
    };
    expect(await plan(LARGE)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("nothing would change on 0 live branches"),
      stderr: "",
    });
    const refused = await plan(TOO_LARGE);
    expect(refused).toMatchObject({ code: 78, stdout: "" });
    expect(refused.stderr).toContain(REFUSAL);
  });

  it("comes into force by its file", async () => {
    const file = join(context.system.directory, "branchward.yaml");
    const large = createPolicy("file/**", LARGE);
    await writeFile(file, large);
    await vi.waitFor(async () => expect((await getText()) === large).toBe(true), PATIENCE);
    await writeFile(file, createPolicy("file/too/**", TOO_LARGE));
    await vi.waitFor(async () => expect(await listBroken()).toEqual([expect.stringContaining(REFUSAL)]), PATIENCE);
    expect((await getText()) === large).toBe(true);
    await writeFile(file, large);
    await vi.waitFor(async () => expect(await listBroken()).toEqual([]), PATIENCE);
  });
});
