/** The kinds of value that a configuration holds, as zod schemas whose messages say what to write. */
import ipaddr from "ipaddr.js";
import { z } from "zod";
import { formatDuration, parseDuration } from "../duration.ts";
import { parseInstant } from "../instant.ts";
import { compilePattern, type Pattern } from "../policy/pattern.ts";
import { parsePrincipal } from "../policy/principal.ts";
import type { DailyHours } from "../policy/types.ts";
import { isRecord, quote } from "./reader.ts";
import { suggest } from "./suggest.ts";
import type { SecretReference } from "./types.ts";

const nameShape = /^[a-z][a-z0-9-]{0,39}$/;
const entitlementShape = /^[a-z][a-z0-9._-]{0,39}(:[a-z0-9][a-z0-9._-]{0,39})?$/;

/** A value turned into another, or a sentence saying what is wrong with it. */
function converted<T>(convert: (value: unknown) => { readonly value: T } | string) {
  return z.unknown().transform((input, context): T => {
    const result = convert(input);
    if (typeof result !== "string") return result.value;
    context.issues.push({ code: "custom", message: result, input });
    return z.NEVER;
  });
}

/** A string turned into another value. */
function written<T>(what: string, convert: (text: string) => { readonly value: T } | string) {
  return converted((value) => (typeof value === "string" ? convert(value) : `must be ${what}`));
}

export const text = z
  .string({ error: "must be text" })
  .min(1, { error: "must not be empty" })
  .max(1_024, { error: "is too long" });

export const flag = z.boolean({ error: "must be true or false" });

export const name = written("a name", (value) =>
  nameShape.test(value)
    ? { value }
    : `${quote(value)} is not a name: a small letter, then small letters, digits and hyphens, at most 40`,
);

export const entitlement = written("an entitlement", (value) => {
  if (value === "environment") return "an environment has a name: write environment:preview";
  return entitlementShape.test(value)
    ? { value }
    : `${quote(value)} is not an entitlement: small letters, digits, dots and hyphens, with one colon at most, such as push or artifacts:read`;
});

export const duration = written("a duration such as 30s or 8h", (value) => {
  const shape = /^\d{1,9}(ms|s|m|h|d)$/;
  return shape.test(value)
    ? { value: parseDuration(value) }
    : `${quote(value)} is not a duration: write 250ms, 30s, 2m, 8h or 90d`;
});

/** A duration between two others, in ms. */
export function durationWithin(minMs: number, maxMs: number) {
  return duration.refine((ms) => ms >= minMs && ms <= maxMs, {
    error: `must be between ${formatDuration(minMs)} and ${formatDuration(maxMs)}`,
  });
}

export function wholeNumber(min: number, max: number) {
  const error = `must be a whole number between ${min} and ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export const share = z
  .number({ error: "must be a number between 0 and 1" })
  .min(0, { error: "must be at least 0" })
  .max(1, { error: "must be at most 1" });

export function oneOf<const T extends string>(values: readonly T[]) {
  const error = (issue: { readonly input?: unknown }) =>
    `must be one of ${values.join(", ")}${typeof issue.input === "string" ? suggest(issue.input, values) : ""}`;
  return z.enum(values, { error });
}

/** A list of at least one, without repetition. */
export function listOf<T extends z.ZodType>(item: T) {
  return z
    .array(item, { error: "must be a list" })
    .min(1, { error: "must not be empty" })
    .refine((items) => new Set(items.map((each) => JSON.stringify(each))).size === items.length, {
      error: "names something twice",
    });
}

export const pattern = written("a pattern", (value): { readonly value: Pattern } | string => {
  const result = compilePattern(value);
  return "pattern" in result ? { value: result.pattern } : result.problem;
});

/** A pattern that is the same for everybody. */
export const fixedPattern = pattern.refine(({ attributes }) => attributes.length === 0, {
  error: "${user.…} cannot stand here",
});

export const principal = written("a principal such as group:engineering", (value) => {
  const parsed = parsePrincipal(value);
  const help = "write group:name, group:client/name, user:userName or bot:name";
  return parsed === undefined ? `${quote(value)} is not a principal: ${help}` : { value: parsed };
});

export const instant = written("a date or a time such as 2026-12-31", (value) => {
  const at = parseInstant(value);
  return at !== undefined
    ? { value: at }
    : `${quote(value)} is not a date: write 2026-12-31 (it ends as that day begins, UTC) or 2026-12-31T18:00:00Z`;
});

export const hours = written("hours such as 08:00-18:00", (value): { readonly value: DailyHours } | string => {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(value);
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = match?.slice(1).map(Number) ?? [];
  const [from, to] = [fromHour * 60 + fromMinute, toHour * 60 + toMinute];
  return match !== null && from !== to
    ? { value: { from, to } }
    : `${quote(value)} are not hours: write 08:00-18:00 (UTC)`;
});

/** The group name template; it must tell any two entitlement groups apart. */
export const displayName = written("a template", (value) => {
  const required = ["{repository}", "{branch}", "{entitlement}"];
  const isWhole = required.every((part) => value.includes(part));
  const rest = required.reduce((left, part) => left.replaceAll(part, ""), value);
  return isWhole && !/[{}]/.test(rest) && value.length <= 256
    ? { value }
    : "must hold {repository}, {branch} and {entitlement}, and no other braces";
});

/** https, or http to this machine. Credentials go into `token`. */
export const url = written("a URL", (value) => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  const isLoopback = parsed !== undefined && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(parsed.hostname);
  if (parsed?.protocol !== "https:" && !(parsed?.protocol === "http:" && isLoopback))
    return "must be an https URL (http only for this machine)";
  return checkUrlParts(parsed, value);
});

/** Addresses in CIDR notation. */
export const network = written("a network such as 10.0.0.0/8", (value) =>
  ipaddr.isValidCIDR(value) ? { value } : `${quote(value)} is not a network: write 10.0.0.0/8 or fd00::/8`,
);

/** The directory behind our own api, which stands in the installation's own network: http as well. */
export const builtinUrl = written("a URL", (value) => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  if (parsed?.protocol !== "https:" && parsed?.protocol !== "http:") return "must be an http or https URL";
  return checkUrlParts(parsed, value);
});

function checkUrlParts(parsed: URL, value: string): { readonly value: string } | string {
  return parsed.username === "" && parsed.password === "" && parsed.hash === "" && parsed.search === ""
    ? { value: value.replace(/\/+$/, "") }
    : "must hold no credentials, query or fragment";
}

const secretHelp =
  "must be a reference, never the secret itself: write { env: NAME } or { file: PATH }, or a list of them for rotation";

/** References to a secret; what is wrong is told without repeating it. */
export const secret = converted((value): { readonly value: readonly SecretReference[] } | string => {
  const references = (Array.isArray(value) ? value : [value]).map(toSecretReference);
  const found = references.filter((reference) => reference !== undefined);
  return found.length > 0 && found.length === references.length ? { value: found } : secretHelp;
});

function toSecretReference(value: unknown): SecretReference | undefined {
  if (!isRecord(value) || Object.keys(value).length !== 1) return undefined;
  const { env, file } = value;
  if (typeof env === "string" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(env)) return { env };
  return typeof file === "string" && file !== "" ? { file } : undefined;
}
