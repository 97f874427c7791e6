import { stripCredentials } from "./names.js";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

/** As many as one question holds (`MAX_DECISIONS` of the api). */
const maxChanges = 500;
const maxAnswerChars = 8 * 1024 * 1024;

/**
 * Asks Branchward about every change, within one time limit for all. `cause` says why there is no answer; with one it is
 * null, and there is a decision for each change, in their order.
 */
export async function askDecisions(home, config, { user, changes }) {
  const deadline = Date.now() + config.enforce.timeoutMs;
  try {
    const token = fs.readFileSync(path.resolve(home.dir, config.enforce.tokenFile), "utf8").trim();
    const decisions = [];
    for (let start = 0; start < changes.length; start += maxChanges) {
      const part = changes.slice(start, start + maxChanges);
      const body = JSON.stringify({ user, source: config.source, repository: config.repository, changes: part });
      decisions.push(...parseDecisions(await post(config, { token, body, deadline }), part));
    }
    return { cause: null, decisions };
  } catch (error) {
    return { cause: stripCredentials(toCause(error)), decisions: null };
  }
}

function toCause(error) {
  // A host with several addresses fails with one error for each, and no message of its own.
  return error.message || error.errors?.[0]?.message || error.code || "no answer";
}

function parseDecisions(text, changes) {
  const { decisions } = JSON.parse(text);
  const isWhole =
    Array.isArray(decisions) &&
    decisions.length === changes.length &&
    decisions.every(
      ({ allowed, branch, entitlement, message }, index) =>
        typeof allowed === "boolean" &&
        branch === changes[index].branch &&
        entitlement === changes[index].entitlement &&
        Array.isArray(message) &&
        message.every((line) => typeof line === "string"),
    );
  if (!isWhole) throw new Error("what answered is not Branchward");
  return decisions.map(({ allowed, message }, index) => ({ ...changes[index], allowed, message, away: null }));
}

async function post({ url: base, stamp, enforce }, { token, body, deadline }) {
  const url = new URL("v1/access/decisions", base.endsWith("/") ? base : `${base}/`);
  const { request } = process.getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http");
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": `branchward-hooks/${stamp}`,
    authorization: `Bearer ${token}`,
  };
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", headers, agent: false }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("error", reject);
      incoming.on("data", (chunk) => {
        text += chunk;
        if (text.length > maxAnswerChars) outgoing.destroy(new Error("the answer is too large"));
      });
      incoming.on("end", () => {
        if (incoming.statusCode === 200) resolve(text);
        else reject(new Error(`HTTP ${incoming.statusCode}${tellProblem(text)}`));
      });
    });
    const late = () => outgoing.destroy(new Error(`no answer within ${enforce.timeoutMs} ms`));
    const timer = setTimeout(late, Math.max(0, deadline - Date.now()));
    outgoing.on("close", () => clearTimeout(timer));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function tellProblem(text) {
  const detail = /"detail"\s*:\s*"([^"\\]{1,200})"/.exec(text)?.[1];
  return detail === undefined ? "" : `: ${detail}`;
}
