/** The built-in directory as a `ScimStore` on PostgreSQL. */
import { ScimError, type ResourceType, type ScimStore } from "@branchward/scim";
import pg from "pg";
import type { Database, Queryable } from "../database.ts";
import { insertDirectoryChanges, type DirectoryChange } from "./changes.ts";
import type { DirectoryContext } from "./context.ts";
import { groups } from "./groups.ts";
import type { DirectoryNoun, Write } from "./noun.ts";
import { isResourceId } from "./resource-row.ts";
import { users } from "./users.ts";

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
  async function write<Result>(
    context: DirectoryContext,
    type: ResourceType,
    run: (noun: DirectoryNoun, write: Write) => Promise<Result>,
  ): Promise<Result> {
    const noun = nounOf(type);
    for (let attempt = 1; ; attempt++) {
      const changes: DirectoryChange[] = [];
      try {
        const result = await db.transaction().execute(async (trx) => {
          const done = await run(noun, {
            trx,
            context,
            type,
            beforeGroupDeletion,
            raise: (change) => changes.push(change),
          });
          await insertDirectoryChanges(trx, changes);
          return done;
        });
        if (changes.length > 0) onCommitted?.(changes);
        return result;
      } catch (error) {
        if (attempt === maxAttempts || !isConflict(error)) throw error;
      }
    }
  }

  return {
    async find(context, type, id, members) {
      return isResourceId(id) ? nounOf(type).find(db, context, id, members) : undefined;
    },
    list: async (context, type, query) => nounOf(type).list(db, context, query),
    create: (context, type, state) => write(context, type, (noun, scope) => noun.create(scope, state)),
    async update(context, type, id, update) {
      requireResourceId(type, id);
      return write(context, type, (noun, scope) => noun.update(scope, id, update));
    },
    async delete(context, type, id, check) {
      requireResourceId(type, id);
      return write(context, type, (noun, scope) => noun.delete(scope, id, check));
    },
  };
}

function nounOf(type: ResourceType): DirectoryNoun {
  if (type.name === "User") return users;
  if (type.name === "Group") return groups;
  throw new ScimError(501, `the directory does not keep ${type.name}`);
}

function requireResourceId(type: ResourceType, id: string): void {
  if (!isResourceId(id)) throw new ScimError(404, `no ${type.name} with id ${id}`);
}

/** deadlock_detected and serialization_failure: nothing was written, and the other transaction is through. */
function isConflict(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === "40P01" || error.code === "40001");
}
