import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfiguration } from "@branchward/core";
import { ENVIRONMENT_VARIABLES, parseEnvironment } from "@branchward/runtime";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const root = join(import.meta.dirname, "..", "..");
const compose = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        command: z.array(z.string()),
        environment: z.record(z.string(), z.string()).optional(),
        image: z.string(),
        healthcheck: z.object({ test: z.array(z.string()) }),
        ports: z.array(z.string()).optional(),
      }),
    ),
  })
  .parse(parse(readFileSync(join(root, "docker-compose.yml"), "utf8"), { merge: true }));
const configurationFile = join(root, "apps", "cli", "example", "production.yaml");
const parsed = parseConfiguration(readFileSync(configurationFile, "utf8"), "production.yaml");
const configuration = "configuration" in parsed ? parsed.configuration : undefined;
const ours = ["receiver", "api", "worker"] as const;

/** What compose puts in for `${NAME:?why}`. */
function fillIn(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, value.replaceAll(/\$\{\w+:\?[^}]*\}/gu, "x".repeat(32))]),
  );
}

/** Variables that the configuration's secrets refer to. */
function listSecretVariables(): readonly string[] {
  const references = [
    ...(configuration?.sources ?? []).flatMap((source) => source.secret),
    ...(configuration?.endpoints ?? []).flatMap((endpoint) => endpoint.token ?? []),
  ];
  return references.flatMap((reference) => ("env" in reference ? [reference.env] : []));
}

describe("docker-compose.yml", () => {
  it("runs each part of Branchward by itself, beside PostgreSQL and Redis", () => {
    expect(Object.keys(compose.services).toSorted((a, b) => a.localeCompare(b))).toEqual([
      "api",
      "postgres",
      "receiver",
      "redis",
      "worker",
    ]);
    for (const name of ours) expect(compose.services[name]?.command).toEqual(["start", "--only", name]);
  });

  it.each(ours)("gives %s an environment that Branchward takes, and nothing that it does not know", (name) => {
    const environment = fillIn(compose.services[name]?.environment ?? {});
    expect(() => parseEnvironment(environment, "/branchward")).not.toThrow();
    const known = new Set([...ENVIRONMENT_VARIABLES, ...listSecretVariables()]);
    expect(Object.keys(environment).filter((variable) => !known.has(variable))).toEqual([]);
  });

  it.each(ours)("gives %s every secret of the configuration that goes with it", (name) => {
    expect(Object.keys(compose.services[name]?.environment ?? {})).toEqual(
      expect.arrayContaining([...listSecretVariables()]),
    );
  });

  it("goes with a configuration that is valid and tells the worker where the directory is", () => {
    expect(parsed).toHaveProperty("configuration");
    const builtin = configuration?.endpoints.find((endpoint) => endpoint.type === "builtin");
    expect(new URL(builtin?.url ?? "").host).toBe("api:8787");
    expect(builtin?.token).toEqual([{ env: "BRANCHWARD_INTERNAL_TOKEN" }]);
  });

  it("pins its images, checks the health of each service, and shows itself to this host alone", () => {
    for (const { image, ports = [] } of Object.values(compose.services)) {
      expect(image).toMatch(/:\d+\.\d+/u);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/u);
    }
  });

  it("runs Redis so that it loses no job", () => {
    expect(compose.services["redis"]?.command).toEqual(expect.arrayContaining(["--maxmemory-policy", "noeviction"]));
  });
});
