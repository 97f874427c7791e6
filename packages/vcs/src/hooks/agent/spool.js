import { tryRename } from "./home.js";

const fs = process.getBuiltinModule("node:fs");
const os = process.getBuiltinModule("node:os");

const maxEntries = 10_000;
const maxBytes = 64 * 1024 * 1024;
const maxRefused = 100;
/** A holder touches its lock before each request, which takes 10 s at most, and while it waits; one left alone this long belongs to no running sender. */
const lockStaleMs = 30_000;

const entryPattern = /^\d{15}-\d{4}-([\w-]+)\.json$/;

/**
 * Events on disk until the receiver has answered 202, oldest first. An entry is the body as it is sent; its file is named
 * by time and delivery id.
 */
export function createSpool(home) {
  fs.mkdirSync(home.path("spool"), { recursive: true });

  function list() {
    return fs
      .readdirSync(home.path("spool"))
      .filter((name) => entryPattern.test(name))
      .toSorted();
  }

  /** Keeps the oldest where the spool is full: they hold what the receiver cannot know otherwise. */
  function put({ id, at, index = 0, body }) {
    const entries = list();
    if (entries.some((name) => toDeliveryId(name) === id)) return;
    const bytes = entries.reduce((sum, name) => sum + sizeOf(home.path(`spool/${name}`)), 0);
    if (entries.length >= maxEntries || bytes + Buffer.byteLength(body) > maxBytes) {
      home.log(`spool full (${entries.length} events, ${bytes} bytes): event ${id} is lost`);
      return;
    }
    home.write(`spool/${String(at).padStart(15, "0")}-${String(index).padStart(4, "0")}-${id}.json`, body);
  }

  function read(name) {
    return fs.readFileSync(home.path(`spool/${name}`), "utf8");
  }

  function remove(name) {
    fs.rmSync(home.path(`spool/${name}`), { force: true });
  }

  /** Takes an event out of the way that will never be accepted, and keeps it with the answer for whoever asks why. */
  function refuse(name, answer) {
    fs.mkdirSync(home.path("refused"), { recursive: true });
    home.own(home.path("refused"));
    home.write(`refused/${name}`, JSON.stringify({ answer, body: read(name) }));
    remove(name);
    const refused = fs.readdirSync(home.path("refused")).toSorted();
    for (const old of refused.slice(0, Math.max(0, refused.length - maxRefused))) {
      fs.rmSync(home.path(`refused/${old}`), { force: true });
    }
  }

  return { list, put, read, remove, refuse, tryLock: () => tryLock(home) };
}

export function toDeliveryId(name) {
  return entryPattern.exec(name)?.[1];
}

/** One sender per home. Null where another is at work: it looks at the spool once more after releasing. */
function tryLock(home) {
  const file = home.path("sender.lock");
  const holder = `${os.hostname()} ${process.pid}`;
  if (!tryCreate(file, holder) && !(takeAwayStale(file) && tryCreate(file, holder))) return null;
  home.own(file);
  return {
    touch: () => fs.utimesSync(file, new Date(), new Date()),
    release: () => {
      if (readIfThere(file) === holder) fs.rmSync(file, { force: true });
    },
  };
}

/** Of several that find a lock stale at once, one gets it: a fresh lock that came in between is put back. */
function takeAwayStale(file) {
  const holder = readIfThere(file);
  if (holder === null) return true;
  if (!isStale(file, holder)) return false;
  const aside = `${file}.${process.pid}`;
  if (!tryRename(file, aside)) return false;
  const isSame = readIfThere(aside) === holder;
  if (isSame) fs.rmSync(aside, { force: true });
  else tryRename(aside, file);
  return isSame;
}

function tryCreate(file, content) {
  try {
    fs.writeFileSync(file, content, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function readIfThere(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function isStale(file, holder) {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (Date.now() - stat.mtimeMs > lockStaleMs) return true;
  const [host, pid] = holder.split(" ");
  return host === os.hostname() && pid !== undefined && !isAlive(Number(pid));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function sizeOf(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
