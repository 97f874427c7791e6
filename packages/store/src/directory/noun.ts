import type {
  ListQuery,
  MemberRead,
  ResourcePage,
  ResourceState,
  ResourceType,
  ResourceUpdate,
  StoredResource,
} from "@branchward/scim";
import type { Queryable } from "../database.ts";
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

/** One kind of resource in the directory; ids given to it are well-formed. */
export interface DirectoryNoun {
  find(db: Queryable, context: DirectoryContext, id: string, members: MemberRead): Promise<StoredResource | undefined>;
  list(db: Queryable, context: DirectoryContext, query: ListQuery): Promise<ResourcePage>;
  create(write: Write, state: ResourceState): Promise<StoredResource>;
  update(write: Write, id: string, update: ResourceUpdate): Promise<StoredResource>;
  delete(write: Write, id: string, check: (current: StoredResource) => void): Promise<void>;
}
