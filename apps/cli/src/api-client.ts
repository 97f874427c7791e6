/** The CLI's way to a running Branchward: address, token, and errors as exit codes. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { CommandError, type CommandContext, EXIT } from "./context.ts";

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ApiClient {
  readonly url: string;
  /** Any HTTP answer but 401 and 403, which end the command. @throws {CommandError} */
  request(
    method: "GET" | "POST" | "DELETE",
    path: string,
    options?: { body?: unknown; signal?: AbortSignal },
  ): Promise<ApiAnswer>;
  /** The parsed answer of a 2xx. @throws {CommandError} for anything else. */
  get<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>>;
  post<S extends z.ZodType>(path: string, body: unknown, schema: S): Promise<z.output<S>>;
}

const REQUEST_TIMEOUT_MS = 150_000;

/** Finds address and token: flag, `BRANCHWARD_URL`, else this machine; `BRANCHWARD_TOKEN`, the admin's, else the kept one. */
export async function connectApi(context: CommandContext, options: ConnectionOptions): Promise<ApiClient> {
  return createClient(findUrl(context, options), await findToken(context, options));
}

/** As `connectApi`, without a token: for what proves itself. */
export function connectPublicly(context: CommandContext, options: ConnectionOptions): ApiClient {
  return createClient(findUrl(context, options), null);
}

/** The flag, `BRANCHWARD_URL`, else this machine. */
export function findUrl(context: CommandContext, { url }: ConnectionOptions): string {
  return (url ?? (context.env["BRANCHWARD_URL"] || localUrl(context))).replace(/\/+$/u, "");
}

function createClient(url: string, token: string | null): ApiClient {
  async function request(
    method: "GET" | "POST" | "DELETE",
    path: string,
    { body, signal }: { body?: unknown; signal?: AbortSignal } = {},
  ): Promise<ApiAnswer> {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new CommandError(
        EXIT.unreachable,
        `${url} cannot be reached: ${reasonOf(cause)}\nIs it running? Start it with npm start, or give --url.`,
      );
    });
    const answer = { status: response.status, body: await parseBody(response) };
    if (answer.status === 401 || answer.status === 403) {
      throw new CommandError(
        EXIT.configuration,
        token === null ? `${url} refused: ${detailOf(answer)}` : tellRefusal(url, answer),
      );
    }
    return answer;
  }

  return {
    url,
    request,
    get: async (path, schema) => parseAnswer(await request("GET", path), schema),
    post: async (path, body, schema) => parseAnswer(await request("POST", path, { body }), schema),
  };
}

/** A good token may be the wrong person's: whoever asks does not approve. */
function tellRefusal(url: string, answer: ApiAnswer): string {
  const fix = "BRANCHWARD_TOKEN or give --token-file.";
  if (answer.status === 401 || codeOf(answer) === "missing_scope") {
    return `${url} refused the token: ${detailOf(answer)}\nSet ${fix}`;
  }
  return `${detailOf(answer)}\nAnother client's token may: set ${fix}`;
}

function parseAnswer<S extends z.ZodType>(answer: ApiAnswer, schema: S): z.output<S> {
  if (answer.status >= 300) {
    const exitCode = answer.status >= 500 ? EXIT.unreachable : answer.status === 400 ? EXIT.usage : EXIT.failed;
    throw new CommandError(exitCode, detailOf(answer));
  }
  const parsed = schema.safeParse(answer.body);
  if (parsed.success) return parsed.data;
  throw new CommandError(
    EXIT.unreachable,
    "the server's answer is not what this version expects: is it another version?",
  );
}

function localUrl({ env }: CommandContext): string {
  return `http://${env["BRANCHWARD_HOST"] ?? "127.0.0.1"}:${env["BRANCHWARD_PORT"] ?? "8787"}`;
}

async function findToken(context: CommandContext, { tokenFile }: ConnectionOptions): Promise<string> {
  const { env, checkoutDir } = context;
  if (tokenFile !== undefined) return readTokenFile(tokenFile);
  const given = env["BRANCHWARD_TOKEN"] ?? env["BRANCHWARD_ADMIN_TOKEN"];
  if (given !== undefined && given !== "") return given;
  return readTokenFile(join(env["BRANCHWARD_DATA_DIR"] ?? join(checkoutDir, ".branchward"), "admin-token"));
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new CommandError(
      EXIT.configuration,
      `no token: ${file} cannot be read (${reasonOf(cause)})\nSet BRANCHWARD_TOKEN or give --token-file.`,
    );
  }
}

async function parseBody(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a problem or SCIM error says. */
export function detailOf({ status, body }: ApiAnswer): string {
  if (typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string")
    return body.detail;
  return `HTTP ${status}`;
}

function codeOf({ body }: ApiAnswer): unknown {
  return typeof body === "object" && body !== null && "code" in body ? body.code : undefined;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return "no answer in time";
  const inner = cause.cause;
  return inner instanceof Error && inner.message !== "" ? inner.message : cause.message;
}
