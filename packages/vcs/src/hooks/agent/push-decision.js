import { askDecisions } from "./ask.js";

const maxTold = 10;

/**
 * Whether the push may happen, and what to say about it: asked of Branchward, or where it cannot be asked decided for
 * each change by what its verb does then. One denied change refuses the whole push.
 * @returns {Promise<{ allowed: boolean, lines: string[] }>}
 */
export async function decidePush({ home, config, user, changes }) {
  const asking = askDecisions(home, config, { user, changes });
  // What this needs of node:crypto takes some milliseconds to load. The question is sent by the next turn of the event loop,
  // so that Branchward looks for its answer meanwhile.
  await new Promise(setImmediate);
  const { openKnownAnswers } = await import("./known-answers.js");
  const known = openKnownAnswers(home, { ...config, user });
  const answer = await asking;
  const unkept = answer.cause === null ? known.tryKeep(answer.decisions, Date.now()) : null;
  const decisions = answer.decisions ?? changes.map((change) => decideAway(known, change, config));
  const denied = decisions.filter(({ allowed }) => !allowed);
  const away = answer.cause === null ? [] : [`Branchward could not be reached (${answer.cause})`];
  const notes = unkept === null ? [] : [`this answer could not be kept for when Branchward is away: ${unkept}`];
  return {
    allowed: denied.length === 0,
    lines: [...tellAway(away, decisions), ...tellDenied(denied, decisions), ...notes],
  };
}

/** By the last known answer if it is young enough for the verb, else denied. */
function decideAway(known, change, { url, enforce }) {
  const { entitlement, branch } = change;
  const maxAgeMs = enforce.lastKnownMs[entitlement] ?? 0;
  const what = `${entitlement} ${branch}`;
  const deny = (why) => ({
    ...change,
    allowed: false,
    away: null,
    message: [`${what} is denied: ${why}`, `ask: whoever runs Branchward at ${url}, or try again later`],
  });
  if (maxAgeMs === 0) return deny("so it is decided while Branchward is away");
  const { answer, why } = known.find(change, { now: Date.now(), maxAgeMs });
  if (answer === null) return deny(`${why}, and without one it is decided so while Branchward is away`);
  return {
    ...change,
    allowed: answer.allowed,
    message: answer.message,
    away: `${what} decided by last known answer of ${tellAge(Date.now() - answer.at)} ago`,
  };
}

function tellAway([cause], decisions) {
  if (cause === undefined) return [];
  const told = decisions.flatMap(({ away }) => (away === null ? [] : [`${cause}; ${away}`]));
  return told.length === 0 ? [cause] : shorten(told);
}

function tellDenied(denied, decisions) {
  const lines = denied
    .slice(0, maxTold)
    .flatMap(({ message }) => message.map((line, index) => (index === 0 ? line : `  ${line}`)));
  const left = denied.length - maxTold;
  const more = left > 0 ? [`and ${left} more changes are denied`] : [];
  const isMixed = denied.length > 0 && denied.length < decisions.length;
  const whole = isMixed
    ? [`nothing of this push was taken: ${denied.length} of its ${decisions.length} changes are denied`]
    : [];
  return [...lines, ...more, ...whole];
}

function shorten(lines) {
  return lines.length > maxTold ? [...lines.slice(0, maxTold), `and ${lines.length - maxTold} more`] : lines;
}

/** @param {number} ms */
export function tellAge(ms) {
  if (ms < 60_000) return `${Math.max(0, Math.round(ms / 1_000))} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** One line for the pusher's terminal, which no name may steer. */
export function toLine(text) {
  return `branchward: ${text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "\ufffd")}`;
}
