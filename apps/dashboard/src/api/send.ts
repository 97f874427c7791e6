/** One request and its answer, whoever is signed in. */
import { problem } from "@branchward/core/api";

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
