/** The built-in directory as a `ScimStore` on PostgreSQL. */
import { ScimError, type ResourceType, type ScimStore } from "@branchward/scim";
import pg from "pg";
import type { Database, Queryable } from "../connection/database.ts";
import { insertDirectoryChanges, type DirectoryChange } from "./changes.ts";
import { createCatalogue } from "./catalogues.ts";
import type { DirectoryContext } from "./context.ts";
import { holdLease } from "./fence.ts";
import { groups } from "./groups.ts";
import type { DirectoryNoun, ShortWrite, Write } from "./noun.ts";
import { isResourceId } from "./resource-row.ts";
import { createResources } from "./resources.ts";
import { createUserMarks } from "./user-marks.ts";
import { createUsers } from "./users.ts";

/** What a directory is made of. */
export interface DirectoryOptions {
  readonly db: Database;
  /** Told of what changed once it is committed; what it throws fails the write that is already done. */
  readonly onCommitted?: (changes: readonly DirectoryChange[]) => void;
  /** Runs in the transaction that deletes a provisioned group, while its members are still there. */
  readonly beforeGroupDeletion?: (trx: Queryable, groupId: string) => Promise<void>;
}

/** How often a write is tried when PostgreSQL ends it in favour of a concurrent one. */
const maxAttempts = 5;

/**
 * Makes the directory. Every write is one transaction with the changes that it raises; errors of the request are
 * `ScimError`, those of the database come as they are.
 */
export function createDirectory({
  db,
  onCommitted,
  beforeGroupDeletion = async () => undefined,
}: DirectoryOptions): ScimStore<DirectoryContext> {
  const users = createUsers(createUserMarks());
  const nounOf = (type: ResourceType): DirectoryNoun => (type.name === "User" ? users : toNoun(type));

  function write<Result>(
    context: DirectoryContext,
    type: ResourceType,
    run: (noun: DirectoryNoun, write: Write) => Promise<Result>,
  ): Promise<Result> {
    const noun = nounOf(type);
    return attempt(onCommitted, (changes) =>
      db.transaction().execute(async (trx) => {
        const raise = (change: DirectoryChange): void => void changes.push(change);
        const done = await run(noun, { trx, context, type, beforeGroupDeletion, raise });
        await insertDirectoryChanges(trx, changes);
        // At last: nobody who asks for a look at the scope waits while many members are written.
        await holdLease(trx, context);
        return done;
      }),
    );
  }

  /** Undefined where the noun has no short way for this write. */
  function writeShort<Result>(
    context: DirectoryContext,
    type: ResourceType,
    run: (noun: DirectoryNoun, write: ShortWrite) => Promise<Result> | undefined,
  ): Promise<Result | undefined> {
    return attempt(onCommitted, async (changes) =>
      run(nounOf(type), { db, context, type, raise: (change) => void changes.push(change) }),
    );
  }

  return {
    async find(context, type, id, read) {
      return isResourceId(id) ? nounOf(type).find(db, context, id, read) : undefined;
    },
    list: async (context, type, query) => nounOf(type).list(db, context, query),
    async create(context, type, state) {
      const created = await writeShort(context, type, (noun, scope) => noun.createShort?.(scope, state));
      if (created !== undefined) return created;
      return write(context, type, (noun, scope) => noun.create?.(scope, state) ?? refuseCreation(type));
    },
    async update(context, type, id, update) {
      requireResourceId(type, id);
      const updated = await writeShort(context, type, (noun, scope) => noun.updateShort?.(scope, id, update));
      return updated ?? write(context, type, (noun, scope) => noun.update(scope, id, update));
    },
    async delete(context, type, id, check) {
      requireResourceId(type, id);
      return write(context, type, (noun, scope) => noun.delete(scope, id, check));
    },
  };
}

/** Runs a write until PostgreSQL lets it through, then tells what changed. */
async function attempt<Result>(
  onCommitted: DirectoryOptions["onCommitted"],
  run: (changes: DirectoryChange[]) => Promise<Result>,
): Promise<Result> {
  for (let count = 1; ; count++) {
    const changes: DirectoryChange[] = [];
    try {
      const result = await run(changes);
      if (changes.length > 0) onCommitted?.(changes);
      return result;
    } catch (error) {
      if (count === maxAttempts || !isConflict(error)) throw error;
    }
  }
}

function toNoun(type: ResourceType): DirectoryNoun {
  if (type.name === "Group") return groups;
  if (type.endpoint === "/Roles") return createCatalogue("directory_roles");
  if (type.endpoint === "/Entitlements") return createCatalogue("directory_entitlements");
  return createResources(type);
}

async function refuseCreation({ name }: ResourceType): Promise<never> {
  throw new ScimError(403, `no ${name} can be created`);
}

function requireResourceId(type: ResourceType, id: string): void {
  if (!isResourceId(id)) throw new ScimError(404, `no ${type.name} with id ${id}`);
}

/** deadlock_detected and serialization_failure: nothing was written, and the other transaction is through. */
function isConflict(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === "40P01" || error.code === "40001");
}
