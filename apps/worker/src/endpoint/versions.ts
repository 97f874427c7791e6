/** Hides which version each write of a run is bound to (rule C4), above all after a write whose answer did not tell. */
import { ScimClientError } from "@branchward/scim";

/** Versions of the resources of one endpoint, by their ids. */
export interface Versions {
  /** The one to bind the next write to, asked for where nothing told it; undefined where the endpoint has none. */
  readonly find: (id: string) => Promise<string | undefined>;
  /** Notes what a read showed. */
  readonly show: (id: string, version: string | undefined) => void;
  /** Notes what a write was answered with; nothing is known any more where that told no version. */
  readonly note: (id: string, version: string | undefined) => void;
  /** What the last write of each resource was answered with. */
  readonly answered: ReadonlyMap<string, string | undefined>;
}

/** Refused so often, an endpoint's versions are not to be relied on. */
const MAX_REFUSED = 3;

export interface VersionsSource {
  /** Runs in a row that came to nothing. */
  readonly failures: number;
  /** True where a fence says more than versions do: writes are bound to none. */
  readonly isFenced?: boolean;
  /** Reads a resource for its version alone. @throws {ScimClientError} */
  readonly read: (id: string) => Promise<{ readonly version: string | undefined }>;
}

/** For one run. An endpoint has versions when it has shown one: until then nothing is read for them. */
export function createVersions({ failures, isFenced = false, read }: VersionsSource): Versions {
  const known = new Map<string, string | undefined>();
  const answered = new Map<string, string | undefined>();
  let hasVersions = false;
  const show = (id: string, version: string | undefined): void => {
    known.set(id, version);
    hasVersions ||= version !== undefined;
  };
  return {
    answered,
    show,
    note(id, version) {
      show(id, version);
      answered.set(id, version);
    },
    async find(id) {
      if (isFenced || !hasVersions || failures >= MAX_REFUSED) return undefined;
      const version = known.get(id) ?? (await readVersion(read, id));
      show(id, version);
      return version;
    },
  };
}

/** What is not there any more has no version: the write that follows says so. */
async function readVersion(read: VersionsSource["read"], id: string): Promise<string | undefined> {
  try {
    return (await read(id)).version;
  } catch (error) {
    if (error instanceof ScimClientError && error.status === 404) return undefined;
    throw error;
  }
}

/** For a write that is right whatever was written since. */
export const UNBOUND: Pick<Versions, "find" | "note"> = { find: async () => undefined, note: () => undefined };
