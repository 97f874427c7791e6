import { stripCredentials } from "./names.js";

// Imported with `import`, a built-in module runs all its lazy getters (20 ms for node:http); this way it does not.
const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

const maxLogBytes = 256 * 1024;

/**
 * The directory that an installation owns: configuration, secret, agent, spool and log. A home whose group may write
 * belongs to a repository shared by several unix users: what is written there is for the group, else for the owner alone.
 * @param {string} dir
 * @param {Record<string, string | undefined>} env of the command that the hook belongs to
 */
export function openHome(dir, env) {
  const owner = fs.statSync(dir);
  process.umask((owner.mode & 0o020) === 0 ? 0o077 : 0o007);
  // Root may run the hook of somebody else's repository, whose owner has to read and remove what is written here.
  const mustGiveAway = process.getuid?.() === 0 && owner.uid !== 0;
  /** True for a home that is this user's, and that nobody else writes. */
  const isOwn = (owner.mode & 0o022) === 0 && owner.uid === (process.getuid?.() ?? owner.uid);

  function own(file) {
    if (mustGiveAway) fs.chownSync(file, owner.uid, owner.gid);
  }

  function write(name, content) {
    const file = path.join(dir, name);
    const temporary = path.join(dir, `.${path.basename(name)}.${process.pid}`);
    fs.writeFileSync(temporary, content);
    own(temporary);
    fs.renameSync(temporary, file);
  }

  function log(message) {
    const file = path.join(dir, "agent.log");
    if ((fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) tryRename(file, `${file}.1`);
    fs.appendFileSync(file, `${new Date().toISOString()} ${stripCredentials(message).replace(/\s+/g, " ")}\n`);
    own(file);
  }

  function readJson(name) {
    const file = path.join(dir, name);
    return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : null;
  }

  return { dir, env, isOwn, path: (name) => path.join(dir, name), own, write, log, readJson };
}

/** False where the file is not there (any more): somebody else was first. */
export function tryRename(from, to) {
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}
