import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveSecrets } from "./secrets.ts";

describe("secrets", () => {
  const context: { directory: string } = { directory: "" };
  beforeAll(async () => {
    context.directory = await mkdtemp(join(tmpdir(), "branchward-secrets-"));
  });
  afterAll(() => rm(context.directory, { recursive: true }));

  it("come from variables and files, in their order, without the file's last newline", async () => {
    const file = join(context.directory, "secret");
    await writeFile(file, "from-file\n");
    const secrets = await resolveSecrets([{ env: "NEW" }, { file }], { env: { NEW: "from-env" } }, "source github");
    expect(secrets).toEqual(["from-env", "from-file"]);
  });

  it.each([
    [{ env: "MISSING" }, "MISSING is not set"],
    [{ file: "/nonexistent/secret" }, "/nonexistent/secret cannot be read"],
  ])("that are not there are named with what wants them: %j", async (reference, message) => {
    const resolved = resolveSecrets([reference], { env: {} }, "source github");
    await expect(resolved).rejects.toThrow(`source github: `);
    await expect(resolved).rejects.toThrow(message);
  });

  it("are refused when their file is empty", async () => {
    const file = join(context.directory, "empty");
    await writeFile(file, "\n");
    await expect(resolveSecrets([{ file }], { env: {} }, "source github")).rejects.toThrow("is empty");
  });
});
