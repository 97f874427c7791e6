import { ConfigurationError } from "@branchward/core";
import { describe, expect, it } from "vitest";
import { parseEnvironment } from "./environment.ts";

describe("the environment", () => {
  it("has sensible defaults", () => {
    expect(parseEnvironment({}, "/checkout")).toEqual({
      databaseUrl: undefined,
      redisUrl: undefined,
      host: "127.0.0.1",
      port: 8787,
      publicUrl: undefined,
      dataDir: "/checkout/.branchward",
      adminToken: undefined,
      pairingWindowMs: 30_000,
      configFile: undefined,
    });
  });

  it("takes an empty variable for one that is not set", () => {
    expect(parseEnvironment({ DATABASE_URL: "", REDIS_URL: " " }, "/c")).toMatchObject({
      databaseUrl: undefined,
      redisUrl: undefined,
    });
  });

  it.each([
    "redis://127.0.0.1:6379/3",
    "rediss://user:pass@redis.example.com",
    "redis-sentinel://a:26379,b:26379/main",
    "redis://a:6379,redis://b:6379",
  ])("takes %s for Redis", (url) => {
    expect(parseEnvironment({ REDIS_URL: url }, "/c").redisUrl).toBe(url);
  });

  it("names every variable that is wrong at once", () => {
    const wrong = {
      DATABASE_URL: "mysql://db",
      REDIS_URL: "http://redis",
      BRANCHWARD_PORT: "99999",
      BRANCHWARD_PUBLIC_URL: "iam.example.com",
      BRANCHWARD_ADMIN_TOKEN: "short",
      BRANCHWARD_PAIRING_WINDOW: "soon",
    };
    expect(() => parseEnvironment(wrong, "/c")).toThrow(ConfigurationError);
    for (const name of Object.keys(wrong)) expect(() => parseEnvironment(wrong, "/c")).toThrow(name);
  });

  it("takes a public address without its trailing slash, and nothing but an address", () => {
    const parse = (url: string) => parseEnvironment({ BRANCHWARD_PUBLIC_URL: url }, "/c").publicUrl;
    expect(parse("https://iam.example.com/")).toBe("https://iam.example.com");
    expect(parse("https://example.com:8443/branchward")).toBe("https://example.com:8443/branchward");
    for (const wrong of ["ftp://example.com", "https://user@example.com", "https://example.com/?x", "https://e.com#"]) {
      expect(() => parse(wrong)).toThrow("BRANCHWARD_PUBLIC_URL");
    }
  });

  it("takes 0 for a free port", () => {
    expect(parseEnvironment({ BRANCHWARD_PORT: "0" }, "/c").port).toBe(0);
  });
});
