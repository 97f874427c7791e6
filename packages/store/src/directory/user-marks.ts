/** Remembers which user is the so-and-so-many-th, so that a page far into a long list is found as fast as the first. */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";

/** A user with the number of users before it, which holds as long as `shifts` is what it was. */
interface UserMark {
  readonly id: string;
  readonly nth: number;
  readonly shifts: number;
}

/** Finds marks for the lists of one process. */
export interface UserMarks {
  /** The last mark at or before an offset among the users of an owner (null: of all); undefined where walking is as good. */
  find(db: Queryable, owner: string | null, offset: number): Promise<UserMark | undefined>;
}

/** One user in so many is marked: walking over so few costs less than anything else of a page. */
const STEP = 500;
/** Marking reads an index as long as the list: 10 ms for 50,000 users. It is done again at most this often. */
const RENEW_AFTER_MS = 5_000;

interface Marked {
  readonly ids: readonly string[];
  readonly shifts: number;
}

export function createUserMarks(now: () => number = () => performance.now()): UserMarks {
  const held = new Map<string | null, { readonly at: number; readonly marked: Promise<Marked> }>();
  function load(db: Queryable, owner: string | null): Promise<Marked> {
    const entry = held.get(owner);
    if (entry !== undefined && now() - entry.at < RENEW_AFTER_MS) return entry.marked;
    const marked = markUsers(db, owner).catch((error: unknown) => {
      held.delete(owner);
      throw error;
    });
    held.set(owner, { at: now(), marked });
    return marked;
  }
  return {
    async find(db, owner, offset) {
      if (offset < 2 * STEP) return undefined;
      const { ids, shifts } = await load(db, owner);
      const index = Math.min(Math.floor(offset / STEP), ids.length - 1);
      const id = ids[index];
      return id === undefined ? undefined : { id, nth: index * STEP, shifts };
    },
  };
}

async function markUsers(db: Queryable, owner: string | null): Promise<Marked> {
  const { rows } = await sql<{ ids: readonly string[] | null; shifts: number }>`${prepared}
    select ids::text[], shifts from directory_mark_users(${owner}, ${STEP})
  `.execute(db);
  return { ids: rows[0]?.ids ?? [], shifts: rows[0]?.shifts ?? 0 };
}
