/** Hides which version each write of a run is bound to (rule C4), above all after a write whose answer did not tell. */
import { ScimClientError, type WriteAnswer } from "@branchward/scim";

/** Versions of the resources of one endpoint, by their ids. */
export interface Versions {
  /** The one to bind the next write to, asked for where nothing told it; undefined where the endpoint has none. */
  readonly find: (id: string) => Promise<string | undefined>;
  /** Notes what a read showed. */
  readonly show: (id: string, version: string | undefined) => void;
  /** Notes what a write was answered with; nothing is known any more where that told no version. */
  readonly note: (id: string, answer: WriteAnswer) => void;
  /** What was told of each resource since its last write, by the answer or by a look since. */
  readonly told: ReadonlyMap<string, WriteAnswer>;
}

/** Refused so often, an endpoint's versions are not to be relied on. */
const MAX_REFUSED = 3;

export interface VersionsSource {
  /** Runs in a row that came to nothing. */
  readonly failures: number;
  /** True where a fence says more than versions do: writes are bound to none. */
  readonly isFenced?: boolean;
  /** Reads a resource for its version alone. @throws {ScimClientError} */
  readonly read: (id: string) => Promise<WriteAnswer>;
}

/** For one run. An endpoint has versions when it has shown one: until then nothing is read for them. */
export function createVersions({ failures, isFenced = false, read }: VersionsSource): Versions {
  const known = new Map<string, string | undefined>();
  const told = new Map<string, WriteAnswer>();
  let hasVersions = false;
  const show = (id: string, version: string | undefined): void => {
    known.set(id, version);
    hasVersions ||= version !== undefined;
  };
  return {
    told,
    show,
    note(id, answer) {
      show(id, answer.version);
      told.set(id, answer);
    },
    async find(id) {
      if (isFenced || !hasVersions || failures >= MAX_REFUSED) return undefined;
      const version = known.get(id);
      if (version !== undefined) return version;
      const seen = await look(read, id);
      show(id, seen?.version);
      if (seen !== undefined && told.has(id)) told.set(id, seen);
      return seen?.version;
    },
  };
}

/** What is not there any more has no version: the write that follows says so. */
async function look(read: VersionsSource["read"], id: string): Promise<WriteAnswer | undefined> {
  try {
    return await read(id);
  } catch (error) {
    if (error instanceof ScimClientError && error.status === 404) return undefined;
    throw error;
  }
}

/** For a write that is right whatever was written since. */
export const UNBOUND: Pick<Versions, "find" | "note"> = { find: async () => undefined, note: () => undefined };
