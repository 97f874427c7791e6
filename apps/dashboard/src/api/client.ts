/** Speaks to the api: JSON in, contracts out. An ended session suspends a request until somebody signs in, then sends it again. */
import { problem } from "@branchward/core/api";
import type { z } from "zod";
import type { Session } from "./session.ts";

/** What the api answered instead of what was asked; `status` 0 when it was not reached. */
export class ApiError extends Error {
  readonly status: number;
  /** The stable code of the problem; `unreachable` when there was no answer. */
  readonly code: string;

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Absent and empty values are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
}

export interface Api {
  /** @throws {ApiError} for every answer but 2xx, and when there is none. */
  request<Schema extends z.ZodType>(schema: Schema, path: string, request?: ApiRequest): Promise<z.output<Schema>>;
}

export function createApi(session: Session): Api {
  return {
    async request(schema, path, request = {}) {
      for (;;) {
        const response = await send(path, request);
        if (response.status !== 401) return schema.parse(await readAnswer(response));
        await session.waitForSignIn(request.signal);
      }
    },
  };
}

/** Sends one request with the session's cookie. @throws {ApiError} when there is no answer. */
export async function send(path: string, { method = "GET", body, signal, query }: ApiRequest): Promise<Response> {
  try {
    return await fetch(path + toSearch(query), {
      method,
      credentials: "same-origin",
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError(0, "unreachable", "Branchward does not answer.", { cause: error });
  }
}

/** The body of a 2xx; undefined for an empty one. @throws {ApiError} for any other status. */
export async function readAnswer(response: Response): Promise<unknown> {
  const text = await response.text();
  const body = parseJson(text);
  if (response.ok) return body;
  const told = problem.safeParse(body);
  if (told.success) throw new ApiError(response.status, told.data.code, told.data.detail);
  throw new ApiError(response.status, "unexpected", `Branchward answered ${response.status}.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toSearch(query: ApiRequest["query"] = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  return search.size === 0 ? "" : `?${search.toString()}`;
}
