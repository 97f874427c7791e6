import { findEnrolment } from "./enrolment.js";
import { stripCredentials } from "./names.js";
import { toDeliveryId } from "./spool.js";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");
const { createHmac } = process.getBuiltinModule("node:crypto");

const answerTimeoutMs = 10_000;
const maxAnswerChars = 2_000;
/** How long one process keeps trying; the next hook goes on from there. */
const patienceMs = 60_000;
const firstBackoffMs = 500;
const maxBackoffMs = 15_000;
const batchSize = 100;
const maxKeptPerBatch = 10;
const maxRetryAfterMs = 3_600_000;

/**
 * Sends what is pending, oldest first, and keeps trying for a minute after the newest event. Returns at once where
 * another process is sending: the holder of the lock looks at the spool again after it has let go.
 */
export async function sendPending(home, spool) {
  const seen = new Set();
  for (;;) {
    const lock = spool.tryLock();
    if (lock === null) return;
    try {
      await drain(home, spool, { lock, seen });
    } finally {
      lock.release();
    }
    if (spool.list().every((name) => seen.has(name))) return;
  }
}

async function drain(home, spool, { lock, seen }) {
  let giveUpAt = 0;
  let backoffMs = firstBackoffMs;
  for (;;) {
    const names = spool.list();
    if (names.length === 0) return;
    if (names.some((name) => !seen.has(name))) giveUpAt = Date.now() + patienceMs;
    for (const name of names) seen.add(name);
    const blockedMs = findBlockedMs(home);
    if (blockedMs <= 0 && (await sendBatch(home, spool, { lock, names: names.slice(0, batchSize) }))) {
      backoffMs = firstBackoffMs;
      continue;
    }
    const waitMs = Math.max(findBlockedMs(home), backoffMs);
    if (Date.now() + waitMs > giveUpAt) return;
    await pause({
      waitMs,
      lock,
      isWoken: () => findBlockedMs(home) <= 0 && spool.list().some((name) => !seen.has(name)),
    });
    backoffMs = Math.min(backoffMs * 2, maxBackoffMs);
  }
}

/**
 * True when nothing of the batch is left. An event that the receiver cannot digest does not hold up those behind it, but
 * a receiver that is away, overloaded or does not know us is not asked again for each.
 */
async function sendBatch(home, spool, { lock, names }) {
  let kept = 0;
  for (const name of names) {
    lock.touch();
    const { decision, status } = await sendEntry(home, spool, name);
    if (decision !== "kept") continue;
    kept += 1;
    if ([0, 401, 408, 429, 503].includes(status) || kept === maxKeptPerBatch) return false;
  }
  return kept === 0;
}

async function pause({ waitMs, lock, isWoken }) {
  const until = Date.now() + waitMs;
  while (Date.now() < until && !isWoken()) {
    lock.touch();
    await new Promise((resolve) => setTimeout(resolve, Math.min(250, until - Date.now())));
  }
}

/** What the receiver asked for by `Retry-After` holds for the processes that come later, too. */
function findBlockedMs(home) {
  const blockedUntil = home.readJson("last-send.json")?.blockedUntil ?? 0;
  return Math.min(blockedUntil - Date.now(), maxRetryAfterMs);
}

async function sendEntry(home, spool, name) {
  const answer = await post(home, toDeliveryId(name), spool.read(name)).catch((error) => ({
    status: 0,
    retryAfterMs: 0,
    text: error.message,
  }));
  const decision = decide(answer.status);
  const message = stripCredentials(answer.status === 0 ? answer.text : `${answer.status} ${answer.text}`.trim());
  if (decision === "sent") spool.remove(name);
  if (decision === "refused") spool.refuse(name, message);
  if (decision !== "sent") home.log(`${decision}: ${name}: ${message}`);
  const blockedUntil = Date.now() + answer.retryAfterMs;
  const at = new Date().toISOString();
  home.write("last-send.json", JSON.stringify({ at, ok: decision === "sent", message, blockedUntil }));
  return { decision, status: answer.status };
}

/**
 * Only 202 says that the event is recorded. Wrong credentials (401) are put right by people, and the rest of 4xx never.
 * @param {number} status
 * @returns {"sent" | "refused" | "kept"}
 */
export function decide(status) {
  if (status === 202) return "sent";
  return status >= 400 && status < 500 && status !== 401 && status !== 408 && status !== 429 ? "refused" : "kept";
}

/**
 * `Retry-After` in milliseconds from `now`, in both its forms (RFC 9110 §10.2.3); 0 where absent or unreadable.
 * @param {string | undefined} value
 * @param {number} now
 */
export function toRetryAfterMs(value, now) {
  if (value === undefined) return 0;
  const afterMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(afterMs) ? 0 : Math.min(Math.max(afterMs, 0), maxRetryAfterMs);
}

/**
 * The headers of Standard Webhooks: the id is stable over retries, the signature is made anew for each.
 * @param {{ id: string, body: string, secret: Buffer, now: number }} message
 */
export function toSignedHeaders({ id, body, secret, now }) {
  const timestamp = String(Math.floor(now / 1000));
  const signature = createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}

/** `whsec_` + base64 is decoded, any other secret is its UTF-8 bytes. */
function readSecret(file) {
  const text = fs.readFileSync(file, "utf8").trim();
  return text.startsWith("whsec_") ? Buffer.from(text.slice("whsec_".length), "base64") : Buffer.from(text);
}

/**
 * A user's device shows its token for what it tells as a client. Where several users write one spool, whose token would
 * speak for whom is unknown: there the source's secret signs.
 */
function toProof(home, config, { id, body }) {
  const isClient = home.isOwn && JSON.parse(body).site === "client";
  const enrolment = isClient ? findEnrolment(home.env, config.url) : null;
  if (enrolment !== null) return { "webhook-id": id, authorization: `Bearer ${enrolment.token}` };
  return toSignedHeaders({ id, body, secret: readSecret(path.resolve(home.dir, config.secretFile)), now: Date.now() });
}

async function post(home, id, body) {
  const config = home.readJson("config.json");
  const url = new URL(`hooks/${config.source}`, config.url.endsWith("/") ? config.url : `${config.url}/`);
  const { request } = process.getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http");
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": `branchward-hooks/${config.stamp}`,
    ...toProof(home, config, { id, body }),
  };
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", headers }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk) => {
        text = (text + chunk).slice(0, maxAnswerChars);
      });
      incoming.on("error", reject);
      incoming.on("end", () => {
        const retryAfterMs = toRetryAfterMs(incoming.headers["retry-after"], Date.now());
        resolve({ status: incoming.statusCode ?? 0, retryAfterMs, text });
      });
    });
    const timer = setTimeout(() => outgoing.destroy(new Error("no answer in time")), answerTimeoutMs);
    outgoing.on("close", () => clearTimeout(timer));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
