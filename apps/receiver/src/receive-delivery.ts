/** POST /hooks/{source}: the order of checks is part of the contract. */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import {
  InvalidInputError,
  type NormalizedDelivery,
  NotFoundError,
  UnauthorizedError,
  UnavailableError,
} from "@branchward/core";
import { HttpError, isDatabaseAway, type Logger, mediaType, parseJson, readBody } from "@branchward/runtime";
import type { EnrolledAgent } from "@branchward/store";
import type { Receipt, RecordDelivery } from "./record-delivery.ts";
import type { Source } from "./source.ts";

export interface ReceiveDeps {
  readonly sources: ReadonlyMap<string, Source>;
  /** Whose device a bearer token is, if it is a live one. */
  readonly findAgent: (secret: string) => Promise<EnrolledAgent | undefined>;
  readonly record: RecordDelivery;
  readonly log: Logger;
  readonly now: () => Date;
}

/** What GitHub sends at most. */
const MAX_BODY_BYTES = 25 * 1024 * 1024;
/** Bodies over this are read at most four at once, so that twenty of 25 MB do not fill the memory. */
const LARGE_BODY_BYTES = 1024 * 1024;
const MAX_LARGE_BODIES = 4;

/** Takes one delivery: verify raw bytes → normalise → record. */
export function createReceive(deps: ReceiveDeps): (sourceName: string, request: IncomingMessage) => Promise<Receipt> {
  const readCapped = createBodyReader();
  return async (sourceName, request) => {
    const source = deps.sources.get(sourceName);
    if (source === undefined) throw new NotFoundError(`no source is named ${sourceName}`, { code: "unknown_source" });
    checkLength(request);
    checkMediaType(request);
    const body = await readCapped(request);
    const headers = toHeaderRecord(request.headers);
    const now = deps.now();
    const agent = await authenticate(deps, source, { headers, body, now });
    const payload = parseJson(body);
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      throw new InvalidInputError("the body is not a JSON object", { code: "not_an_object" });
    }
    const delivery = source.receiver.normalize({ headers, payload, receivedAt: now });
    return recordOrRefuse(deps.record, {
      source,
      deliveryKey: source.receiver.deliveryId({ headers, body }),
      bodyDigest: createHash("sha256").update(body).digest(),
      headers: withoutSecrets(headers),
      body,
      delivery: agent === null ? delivery : bindToAgent(delivery, agent),
      agent,
    });
  };
}

interface Unproved {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly now: Date;
}

/** The device that sends, where it shows its token in place of a signature; null for what is signed. @throws {UnauthorizedError} */
async function authenticate(deps: ReceiveDeps, source: Source, request: Unproved): Promise<EnrolledAgent | null> {
  const secret =
    source.type === "agent" ? /^Bearer +(\S+)$/iu.exec(request.headers["authorization"] ?? "")?.[1] : undefined;
  if (secret !== undefined) {
    const agent = await unlessAway(() => deps.findAgent(secret));
    if (agent !== undefined) return agent;
    deps.log.info({ source: source.name, reason: "no live token of a device" }, "delivery refused");
    throw new UnauthorizedError("the token is not valid: unknown, expired, revoked, or no device's", {
      code: "token_invalid",
    });
  }
  const verified = source.receiver.verify({ ...request, secrets: source.secrets });
  if (verified.ok) return null;
  deps.log.info({ source: source.name, reason: verified.reason }, "delivery refused");
  throw new UnauthorizedError("the signature is missing or wrong", { code: "signature_invalid" });
}

/** A device speaks for its user alone, whatever the body claims, and is no server (rules A1, B6). */
export function bindToAgent(delivery: NormalizedDelivery, { userName }: EnrolledAgent): NormalizedDelivery {
  return { ...delivery, site: "client", actor: { key: userName, email: null, trust: "token" } };
}

function recordOrRefuse(record: RecordDelivery, input: Parameters<RecordDelivery>[0]): Promise<Receipt> {
  return unlessAway(() => record(input));
}

/** @throws {UnavailableError} `record_unavailable` while the database is away */
async function unlessAway<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!isDatabaseAway(cause)) throw cause;
    throw new UnavailableError("the delivery could not be recorded; send it again", {
      code: "record_unavailable",
      cause,
    });
  }
}

function checkLength(request: IncomingMessage): void {
  if (Number(request.headers["content-length"] ?? 0) <= MAX_BODY_BYTES) return;
  throw new HttpError(413, "body_too_large", `a delivery has at most ${MAX_BODY_BYTES} bytes`);
}

function checkMediaType(request: IncomingMessage): void {
  if (mediaType(request) === "application/json") return;
  throw new HttpError(
    415,
    "unsupported_media_type",
    "send application/json (in GitHub: Content type application/json)",
  );
}

function createBodyReader(): (request: IncomingMessage) => Promise<Buffer> {
  let largeBodies = 0;
  return async (request) => {
    const announced = request.headers["content-length"];
    const large = announced === undefined || Number(announced) > LARGE_BODY_BYTES;
    if (!large) return readBody(request, MAX_BODY_BYTES);
    if (largeBodies >= MAX_LARGE_BODIES) {
      throw new UnavailableError("too many large deliveries at once; send it again", { code: "busy" });
    }
    largeBodies += 1;
    try {
      return await readBody(request, MAX_BODY_BYTES);
    } finally {
      largeBodies -= 1;
    }
  };
}

function toHeaderRecord(headers: IncomingHttpHeaders): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) record[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return record;
}

const SECRET_HEADER = /authorization|cookie|token|secret|signature/u;

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADER.test(name)));
}
