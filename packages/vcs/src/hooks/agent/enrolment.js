const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

/**
 * Where this user's devices keep their tokens, by the address that gave each: a token goes to nobody else.
 * Undefined where the environment names no home directory.
 */
export function toEnrolmentFile(env) {
  const base = env.XDG_CONFIG_HOME || (env.HOME ? path.join(env.HOME, ".config") : undefined);
  return base === undefined ? undefined : path.join(base, "branchward", "devices.json");
}

/** What `branchward hooks enroll` has written for this address; null without. */
export function findEnrolment(env, url) {
  const file = toEnrolmentFile(env);
  if (file === undefined || !fs.existsSync(file)) return null;
  const kept = JSON.parse(fs.readFileSync(file, "utf8"));
  const key = toAddress(url);
  return Object.hasOwn(kept, key) ? kept[key] : null;
}

/** The address without what does not tell two apart. */
export function toAddress(url) {
  return new URL(url).href.replace(/\/+$/, "");
}
