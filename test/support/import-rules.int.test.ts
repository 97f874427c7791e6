import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

/** Where an import stands, what it names, and whether the layers permit it. */
const imports: readonly (readonly [file: string, specifier: string, verdict: "permitted" | "refused"])[] = [
  ["packages/core/src", "zod", "permitted"],
  ["packages/core/src", "../policy/parse-policy.ts", "permitted"],
  ["packages/core/src", "@branchward/scim", "refused"],
  ["packages/core/src", "@branchward/store/testing", "refused"],
  ["packages/core/src", "node:fs/promises", "refused"],
  ["packages/scim/src", "undici", "permitted"],
  ["packages/scim/src", "@branchward/core", "refused"],
  ["packages/scim/src", "node:fs", "refused"],
  ["packages/vcs/src", "@branchward/core", "permitted"],
  ["packages/vcs/src", "@branchward/store", "refused"],
  ["packages/queue/src", "@branchward/core", "permitted"],
  ["packages/queue/src", "@branchward/store", "refused"],
  ["packages/runtime/src", "@branchward/core", "permitted"],
  ["packages/runtime/src", "@branchward/queue", "refused"],
  ["packages/store/src", "@branchward/core", "permitted"],
  ["packages/store/src", "@branchward/scim", "permitted"],
  ["packages/store/src", "@branchward/queue", "refused"],
  ["packages/store/src", "@branchward/api", "refused"],
  ["packages/store/src/deep", "../../../core/src/words.ts", "refused"],
  ["packages/store/src", "../../../packages/core/src/words.ts", "refused"],
  ["apps/receiver/src", "@branchward/store", "permitted"],
  ["apps/receiver/src", "@branchward/worker", "refused"],
  ["apps/receiver/src", "../../worker/src/app.ts", "refused"],
  ["apps/bridge/src", "@branchward/scim", "permitted"],
  ["apps/bridge/src", "@branchward/runtime", "permitted"],
  ["apps/bridge/src", "@branchward/store", "refused"],
  ["apps/bridge/src", "@branchward/queue", "refused"],
  ["apps/bridge/src", "@branchward/api", "refused"],
  ["apps/bridge/src", "pg", "refused"],
  ["apps/dashboard/src", "@branchward/core/api", "permitted"],
  ["apps/dashboard/src", "@branchward/core", "refused"],
  ["apps/dashboard/src", "@branchward/scim", "refused"],
  ["apps/cli/src", "@branchward/api", "permitted"],
  ["apps/cli/src", "../../api/src/app.ts", "refused"],
  ["apps/cli/bin", "../src/main.ts", "permitted"],
  ["test/e2e", "@branchward/cli", "permitted"],
  ["test/e2e", "../../packages/store/src/index.ts", "refused"],
];

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
}

function isDiagnostic(value: unknown): value is Diagnostic {
  return typeof value === "object" && value !== null && "code" in value && "filename" in value;
}

/** Lints a tree with the repository's own configuration, less what needs types: the files that break an import rule. */
async function listRefused(directory: string): Promise<ReadonlySet<string>> {
  const program = join(root, "node_modules/oxlint/bin/oxlint");
  const args = [program, "--config", join(directory, ".oxlintrc.json"), "--format", "json", "."];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: directory }, (_error, stdout) => resolve(stdout));
  });
  const report: unknown = JSON.parse(output);
  if (
    typeof report !== "object" ||
    report === null ||
    !("diagnostics" in report) ||
    !Array.isArray(report.diagnostics)
  ) {
    throw new TypeError(`oxlint reported ${output}`);
  }
  const refused = report.diagnostics.filter(isDiagnostic).filter(({ code }) => code.includes("no-restricted-imports"));
  return new Set(refused.map(({ filename }) => filename));
}

describe("the import rules", () => {
  let directory = "";
  let refused: ReadonlySet<string> = new Set();
  const toFile = (folder: string, index: number): string => `${folder}/case-${index}.ts`;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "branchward-lint-"));
    await cp(join(root, ".oxlintrc.json"), join(directory, ".oxlintrc.json"));
    for (const [index, [folder, specifier]] of imports.entries()) {
      const path = join(directory, toFile(folder, index));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `import { something } from "${specifier}";\nexport const used = something;\n`);
    }
    refused = await listRefused(directory);
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each(imports.map(([folder, specifier, verdict], index) => ({ folder, specifier, verdict, index })))(
    "$folder importing $specifier is $verdict",
    ({ folder, verdict, index }) => {
      expect(refused.has(toFile(folder, index)) ? "refused" : "permitted").toBe(verdict);
    },
  );
});
