/** What an account ought to say of its user, and the least changes that make it say so. */

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };
type JsonRecord = { readonly [name: string]: Json | undefined };

/** A directory user as far as accounts are concerned. */
export interface AccountOwner {
  readonly id: string;
  readonly userName: string;
  readonly active: boolean;
  /** By canonical SCIM names, extensions under their URIs. */
  readonly attributes: JsonRecord;
}

/** What the endpoint's schemas know: attributes of users, and extensions with theirs. */
export interface KnownAttributes {
  readonly user: ReadonlySet<string>;
  readonly extensions: ReadonlyMap<string, ReadonlySet<string>>;
}

/** An operation of a PATCH (RFC 7644 §3.5.2). */
export interface AccountOperation {
  readonly op: "replace" | "remove";
  readonly path: string;
  readonly value?: Json;
}

/** What a person is called and reached by; never secrets, rights or pictures. */
const PROFILE = [
  "name",
  "displayName",
  "nickName",
  "title",
  "userType",
  "preferredLanguage",
  "locale",
  "timezone",
  "emails",
  "phoneNumbers",
] as const;

/** Where an endpoint does not tell its schemas: what RFC 7643 §4.1 has and nearly all take. */
export const USUAL_ATTRIBUTES: KnownAttributes = {
  user: new Set(["name", "displayName", "emails"]),
  extensions: new Map(),
};

/** The attributes that the account is given; extensions hold what their schema knows alone. */
export function toAccountProfile(owner: AccountOwner, known: KnownAttributes): JsonRecord {
  const own = PROFILE.flatMap((name) => {
    const value = owner.attributes[name];
    return value !== undefined && known.user.has(name) ? [[name, value] as const] : [];
  });
  const extensions = [...known.extensions].flatMap(([uri, names]) => {
    const value = owner.attributes[uri];
    if (!isRecord(value)) return [];
    const parts = Object.entries(value).filter(([name]) => names.has(name));
    return parts.length === 0 ? [] : [[uri, Object.fromEntries(parts)] as const];
  });
  return { externalId: owner.id, userName: owner.userName, ...Object.fromEntries([...own, ...extensions]) };
}

export interface ProfileQuestion {
  readonly profile: JsonRecord;
  /** The account as read. */
  readonly actual: JsonRecord;
  /** Paths that were written before: what is gone from the profile since then is taken away. */
  readonly written: readonly string[];
}

/** The operations that bring an account to its profile; none where it says so already. */
export function planProfileChanges({ profile, actual, written }: ProfileQuestion): readonly AccountOperation[] {
  const wanted = toPaths(profile);
  const there = toPaths(actual);
  const changed = [...wanted].flatMap(([path, value]) =>
    includes(there.get(path), value) ? [] : [{ op: "replace", path, value } as const],
  );
  const gone = written.filter((path) => !wanted.has(path) && there.has(path));
  return [...changed, ...gone.map((path) => ({ op: "remove", path }) as const)];
}

/** The paths that a profile writes. */
export function listProfilePaths(profile: JsonRecord): readonly string[] {
  return [...toPaths(profile).keys()];
}

/** Attributes of extensions one by one, the others as they are. */
function toPaths(resource: JsonRecord): ReadonlyMap<string, Json> {
  const paths = Object.entries(resource).flatMap(([name, value]): (readonly [string, Json])[] => {
    if (value === undefined || value === null) return [];
    if (!name.startsWith("urn:") || !isRecord(value)) return [[name, value]];
    return Object.entries(value).flatMap(([part, inner]) =>
      inner === undefined || inner === null ? [] : [[`${name}:${part}`, inner] as const],
    );
  });
  return new Map(paths);
}

/** An endpoint may add to what it was given (`display`, `formatted`, `$ref`), and order lists as it likes. */
function includes(actual: Json | undefined, wanted: Json): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual) || actual.length !== wanted.length) return false;
    return wanted.every((item) => actual.some((one) => includes(one, item)));
  }
  if (!isRecord(wanted)) return actual === wanted;
  return (
    isRecord(actual) &&
    Object.entries(wanted).every(([name, value]) => isAbsent(value) || includes(actual[name], value))
  );
}

function isAbsent(value: Json | undefined): value is null | undefined {
  return value === undefined || value === null;
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
