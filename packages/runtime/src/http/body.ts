import type { IncomingMessage } from "node:http";
import { InvalidInputError } from "@branchward/core";
import getRawBody from "raw-body";
import secureJson from "secure-json-parse";
import { HttpError } from "./problem.ts";

/** @throws {HttpError} 413 when the announced length or what arrives is over the cap. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  try {
    return await getRawBody(request, { limit: maxBytes });
  } catch (cause) {
    if (isRawBodyError(cause) && cause.type === "entity.too.large") throw tooLarge(maxBytes);
    throw new InvalidInputError("the body did not arrive whole", { code: "incomplete_body", cause });
  }
}

function tooLarge(maxBytes: number): HttpError {
  return new HttpError(413, "body_too_large", `a body has at most ${maxBytes} bytes here`);
}

function isRawBodyError(error: unknown): error is { readonly type: string } {
  return typeof error === "object" && error !== null && "type" in error && typeof error.type === "string";
}

/** @throws {InvalidInputError} for what is not JSON or holds `__proto__` or `constructor.prototype`. */
export function parseJson(body: Buffer): unknown {
  try {
    return secureJson.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new InvalidInputError("the body is not JSON", { code: "malformed_json", cause });
  }
}

/** The media type without parameters, in lower case. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}
