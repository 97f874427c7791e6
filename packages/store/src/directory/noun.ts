import type {
  ListQuery,
  ResourcePage,
  ResourceRead,
  ResourceState,
  ResourceType,
  ResourceUpdate,
  StoredResource,
} from "@branchward/scim";
import type { Queryable } from "../connection/database.ts";
import type { DirectoryChange } from "./changes.ts";
import type { DirectoryContext } from "./context.ts";

/** A write in its transaction: who writes, and where to report what changed. */
export interface Write {
  readonly trx: Queryable;
  readonly context: DirectoryContext;
  readonly type: ResourceType;
  readonly raise: (change: DirectoryChange) => void;
  readonly beforeGroupDeletion: (trx: Queryable, groupId: string) => Promise<void>;
}

/** A write that needs no transaction around it, since it is one statement after the reading. */
export type ShortWrite = Omit<Write, "trx" | "beforeGroupDeletion"> & { readonly db: Queryable };

/** One kind of resource in the directory; ids given to it are well-formed. */
export interface DirectoryNoun {
  find(db: Queryable, context: DirectoryContext, id: string, read: ResourceRead): Promise<StoredResource | undefined>;
  list(db: Queryable, context: DirectoryContext, query: ListQuery): Promise<ResourcePage>;
  /** Left out where `createShort` does it, or nothing is created. */
  create?(write: Write, state: ResourceState): Promise<StoredResource>;
  /** Makes the resource and records what it raises, in one statement. */
  createShort?(write: ShortWrite, state: ResourceState): Promise<StoredResource>;
  /**
   * Updates and records what it raises, in one statement. Undefined, with nothing raised or written, where that cannot
   * be or the resource changed meanwhile: then `update` does it.
   */
  updateShort?(write: ShortWrite, id: string, update: ResourceUpdate): Promise<StoredResource | undefined>;
  update(write: Write, id: string, update: ResourceUpdate): Promise<StoredResource>;
  delete(write: Write, id: string, check: (current: StoredResource) => void): Promise<void>;
}
