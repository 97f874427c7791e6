/** What a service provider asks of the place where resources live. */
import type { Filter } from "./filter/bind.ts";
import type { JsonObject } from "./json.ts";
import type { AttributeRef, ResourceType } from "./schema/resource-type.ts";

/** A member of a set-valued attribute (see `ResourceTypeDefinition.memberAttribute`). */
export interface Member {
  /** The id of the member. */
  readonly value: string;
  /** The name of the member's resource type; a store fills it in on reading. */
  readonly type?: string;
  readonly display?: string;
}

/** A resource as a store returns it. */
export interface StoredResource {
  readonly id: string;
  /** Opaque; differs after every change. It becomes the ETag. */
  readonly version: string;
  readonly created: Date;
  readonly lastModified: Date;
  /** By canonical names, extensions under their URIs; without `schemas`, `id`, `meta` and the member attribute. */
  readonly attributes: JsonObject;
  /** Undefined when not read, or when there are more than asked for. */
  readonly members: readonly Member[] | undefined;
}

/** How many members to read with a resource: a limit is an upper bound over which none are returned. */
export type MemberRead = "none" | "all" | { readonly atMost: number };

/**
 * A change of a member set: first emptied if `clear`, then without `remove`, then with `add`. Removing what is not
 * there and adding what is there is no change.
 */
export interface MemberDelta {
  readonly clear: boolean;
  readonly remove: readonly string[];
  readonly add: readonly Member[];
}

/** What a resource shall be: all its attributes, and how its members change. */
export interface ResourceState {
  readonly attributes: JsonObject;
  /** Undefined leaves the members alone. */
  readonly members: MemberDelta | undefined;
}

/** A page to list. The order is total and stable: by `sort`, then by id. */
export interface ListQuery {
  readonly filter: Filter | undefined;
  readonly sort: { readonly target: AttributeRef; readonly descending: boolean } | undefined;
  /** 1-based. */
  readonly startIndex: number;
  /** 0 asks for the total alone. */
  readonly count: number;
  readonly members: MemberRead;
}

/** A page with the number of all matches. */
export interface ResourcePage {
  readonly totalResults: number;
  readonly resources: readonly StoredResource[];
}

/**
 * The resources of a service provider. `Context` says who asks and is passed through unseen. A store enforces
 * uniqueness, the existence of members and what the client may see, by throwing `ScimError` (409 uniqueness,
 * 400 invalidValue, 403, 404); a resource that the client may not see does not exist for it.
 */
export interface ScimStore<Context> {
  find(context: Context, type: ResourceType, id: string, members: MemberRead): Promise<StoredResource | undefined>;
  list(context: Context, type: ResourceType, query: ListQuery): Promise<ResourcePage>;
  create(context: Context, type: ResourceType, state: ResourceState): Promise<StoredResource>;
  update(context: Context, type: ResourceType, id: string, update: ResourceUpdate): Promise<StoredResource>;
  /** Calls `check` with the resource as it is when it can no longer change; what that throws ends the deletion. */
  delete(context: Context, type: ResourceType, id: string, check: (current: StoredResource) => void): Promise<void>;
}

/** An update, decided while the resource cannot change. */
export interface ResourceUpdate {
  /** The members that `change` needs to see. */
  readonly readMembers: "none" | "all";
  /** Pure; what it throws ends the update. A state equal to the current one must leave no trace, version included. */
  readonly change: (current: StoredResource) => ResourceState;
  /** The members to return. */
  readonly returnMembers: MemberRead;
}
