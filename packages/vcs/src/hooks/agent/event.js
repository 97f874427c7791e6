const os = process.getBuiltinModule("node:os");
const { createHash } = process.getBuiltinModule("node:crypto");

/** Larger groups are told in parts with one group key, far below the receiver's limit for a body. */
const maxChangesPerEvent = 2_000;

/**
 * The body that `packages/vcs/src/agent/body.ts` understands. `occurredAt` is in milliseconds.
 */
export function createEvent({ hook, site, vcs, repository, actor, ...rest }) {
  return {
    v: 1,
    site,
    vcs,
    hook: hook.name,
    occurredAt: new Date(hook.at).toISOString(),
    repository,
    groupKey: null,
    actor,
    changes: [],
    renames: [],
    sightings: [],
    checkout: null,
    ...rest,
  };
}

/** One event, or several where there are very many changes; a sighting goes with the change of its ref. */
export function createEvents({ changes, sightings, ...rest }) {
  const events = [];
  for (let start = 0; start < changes.length; start += maxChangesPerEvent) {
    const part = changes.slice(start, start + maxChangesPerEvent);
    const keys = new Set(part.map(toKey));
    events.push(createEvent({ ...rest, changes: part, sightings: sightings.filter((ref) => keys.has(toKey(ref))) }));
  }
  return events;
}

function toKey({ refType, name }) {
  return `${refType} ${name}`;
}

/** An opaque id of a working copy that stays as long as its directory does. */
export function toWorkingCopyId(directory) {
  return createHash("sha256").update(`${os.hostname()}\0${directory}`).digest("hex").slice(0, 32);
}

/** The name that a user gave (`Alice <alice@example.com>`, a login or an address) as an actor; null without one. */
export function toActor(key, email) {
  const address = /<([^<>@\s]+@[^<>\s]+)>/.exec(email ?? "")?.[1] ?? (email?.includes("@") ? email.trim() : undefined);
  const name = key || address || email;
  return name ? { key: name, email: address ?? null } : null;
}

/** Whoever pushed, as the transport or the hosting software names them; the unix user only where none is in between. */
export function findServerActor(env) {
  const user = env.GL_USERNAME || env.GL_USER || env.PHABRICATOR_USER || env.REMOTE_USER;
  if (user) return { key: user, email: null };
  if (env.GATEWAY_INTERFACE || env.REMOTE_ADDR) return null;
  return { key: os.userInfo().username, email: null };
}
