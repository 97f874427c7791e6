const fs = process.getBuiltinModule("node:fs");
const { createHash, createHmac, timingSafeEqual } = process.getBuiltinModule("node:crypto");

const folder = "answers";
const maxAnswers = 200;
const maxFiles = 5_000;
/** A clock may be set back a little. */
const maxAheadMs = 60_000;

/**
 * What Branchward answered last about one user, a file for each. Its first line signs the second with the secret of this
 * installation, so that what somebody else wrote is not believed; only verbs that may go by a last known answer are kept.
 */
export function openKnownAnswers(home, { url, source, repository, enforce, user }) {
  const owner = JSON.stringify([url, source, repository, user]);
  const name = `${folder}/${createHash("sha256").update(owner).digest("hex")}`;
  const oldestMs = Math.max(...Object.values(enforce.lastKnownMs));
  const sign = (text) =>
    createHmac("sha256", fs.readFileSync(home.path("answers.key")))
      .update(text)
      .digest("hex");

  function load() {
    const content = tryRead(home.path(name));
    if (content === null) return { answers: new Map(), isAltered: false };
    const [signature = "", text = ""] = content.split("\n");
    const isOurs = isEqual(signature, sign(text));
    const kept = isOurs ? JSON.parse(text) : null;
    if (kept?.owner !== owner) return { answers: new Map(), isAltered: true };
    return { answers: new Map(kept.answers), isAltered: false };
  }

  function find(change, { now, maxAgeMs }) {
    const { answers, isAltered } = load();
    if (isAltered) return { answer: null, why: "the last known answer was altered and is not believed" };
    const answer = answers.get(toKey(change));
    if (answer === undefined) return { answer: null, why: "no last answer is known" };
    if (answer.at > now + maxAheadMs) return { answer: null, why: "the last known answer is from the future" };
    if (now - answer.at > maxAgeMs) return { answer: null, why: "the last known answer is too old" };
    return { answer, why: null };
  }

  function keep(decisions, at) {
    const kept = decisions.filter(({ entitlement }) => (enforce.lastKnownMs[entitlement] ?? 0) > 0);
    if (kept.length === 0) return;
    const { answers } = load();
    for (const { allowed, message, ...change } of kept) {
      const key = toKey(change);
      answers.delete(key);
      answers.set(key, { at, allowed, message });
    }
    const young = [...answers].filter(([, answer]) => at - answer.at <= oldestMs).slice(-maxAnswers);
    const text = JSON.stringify({ owner, answers: young });
    if (!fs.existsSync(home.path(name))) removeOld(home, oldestMs);
    home.write(name, `${sign(text)}\n${text}\n`);
  }

  return {
    find,
    /** Failing to keep an answer changes nothing about it: why is returned, null where it was kept. */
    tryKeep(decisions, at) {
      try {
        keep(decisions, at);
        return null;
      } catch (error) {
        return error.message;
      }
    },
  };
}

function toKey({ entitlement, refType, branch }) {
  return JSON.stringify([entitlement, refType, branch]);
}

function tryRead(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function isEqual(left, right) {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Users come and go: what is too old for every verb makes room where there are very many. */
function removeOld(home, oldestMs) {
  const names = fs.readdirSync(home.path(folder));
  if (names.length < maxFiles) return;
  for (const name of names) {
    const file = home.path(`${folder}/${name}`);
    if (Date.now() - fs.statSync(file).mtimeMs > oldestMs) fs.rmSync(file, { force: true });
  }
}
