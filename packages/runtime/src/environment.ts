/** The environment of `contract.md`, parsed once by `main`; nothing else reads it. */
import { join } from "node:path";
import { ConfigurationError, parseDuration } from "@branchward/core";
import { z } from "zod";

export interface Environment {
  /** External PostgreSQL; embedded when undefined. */
  readonly databaseUrl: string | undefined;
  /** BullMQ on Redis; on PostgreSQL when undefined. */
  readonly redisUrl: string | undefined;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where clients reach the listener, behind a proxy; without a trailing slash. Undefined: as it is bound. */
  readonly publicUrl: string | undefined;
  readonly dataDir: string;
  readonly adminToken: string | undefined;
  readonly pairingWindowMs: number;
  readonly configFile: string | undefined;
}

const MIN_ADMIN_TOKEN = 16;

const optionalText = z
  .string()
  .trim()
  .optional()
  .transform((value) => (value === "" ? undefined : value));

const schema = z.object({
  DATABASE_URL: optionalText.refine((url) => url === undefined || /^postgres(ql)?:\/\//u.test(url), {
    message: "expected postgres://user:password@host:port/database",
  }),
  REDIS_URL: optionalText.refine((url) => url === undefined || /^(rediss?|redis-sentinel):\/\//u.test(url), {
    message: "expected redis://, rediss://, redis-sentinel:// or a comma-separated list of redis:// for Cluster",
  }),
  BRANCHWARD_HOST: optionalText,
  BRANCHWARD_PORT: optionalText.refine(
    (port) => port === undefined || (/^\d{1,5}$/u.test(port) && Number(port) <= 65_535),
    {
      message: "expected a port from 0 to 65535; 0 takes a free one",
    },
  ),
  BRANCHWARD_PUBLIC_URL: optionalText.transform((text, context) => {
    if (text === undefined || isPublicUrl(text)) return text?.replace(/\/+$/u, "");
    context.addIssue({ code: "custom", message: "expected https://host, with a path at most" });
    return z.NEVER;
  }),
  BRANCHWARD_DATA_DIR: optionalText,
  BRANCHWARD_ADMIN_TOKEN: optionalText.refine((token) => token === undefined || token.length >= MIN_ADMIN_TOKEN, {
    message: `expected ${MIN_ADMIN_TOKEN} characters or more`,
  }),
  BRANCHWARD_PAIRING_WINDOW: optionalText.transform((text, context) => {
    if (text === undefined) return 30_000;
    try {
      return parseDuration(text);
    } catch {
      context.addIssue({ code: "custom", message: "expected a duration such as 30s" });
      return z.NEVER;
    }
  }),
  BRANCHWARD_CONFIG: optionalText,
});

function isPublicUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/u.test(url.protocol)) return false;
  return url.username === "" && url.password === "" && !/[?#]/u.test(text);
}

/** Their names, for documentation and checks. */
export const ENVIRONMENT_VARIABLES: readonly string[] = Object.keys(schema.shape);

/**
 * Reads the variables we know. `checkoutDir` holds the default data directory.
 * @throws {ConfigurationError} naming every variable that is wrong.
 */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>, checkoutDir: string): Environment {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new ConfigurationError(`environment: ${lines.join("; ")}`, { details: { problems: lines } });
  }
  const value = parsed.data;
  return {
    databaseUrl: value.DATABASE_URL,
    redisUrl: value.REDIS_URL,
    host: value.BRANCHWARD_HOST ?? "127.0.0.1",
    port: Number(value.BRANCHWARD_PORT ?? 8787),
    publicUrl: value.BRANCHWARD_PUBLIC_URL,
    dataDir: value.BRANCHWARD_DATA_DIR ?? join(checkoutDir, ".branchward"),
    adminToken: value.BRANCHWARD_ADMIN_TOKEN,
    pairingWindowMs: value.BRANCHWARD_PAIRING_WINDOW,
    configFile: value.BRANCHWARD_CONFIG,
  };
}
