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

/** How much of a resource to read: derived attributes cost what they are made of. */
export interface ResourceRead {
  readonly members: MemberRead;
  /** Of `ResourceTypeDefinition.derivedAttributes`, those to make. */
  readonly derived: readonly string[];
}

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
  readonly read: ResourceRead;
  /** Set for cursor paging (RFC 9865), which leaves `startIndex` unread: the `next` of the page before, if any. */
  readonly cursor?: { readonly after: string | undefined };
}

/** A page of a list. */
export interface ResourcePage {
  /** Of all matches; a store may leave it out under cursor paging alone. */
  readonly totalResults: number | undefined;
  readonly resources: readonly StoredResource[];
  /** Under cursor paging, where the next page begins; undefined after the last one. */
  readonly next?: string | undefined;
}

/**
 * The resources of a service provider. `Context` says who asks and is passed through unseen. A store enforces
 * uniqueness, the existence of members and what the client may see, by throwing `ScimError` (409 uniqueness,
 * 400 invalidValue, 403, 404); a resource that the client may not see does not exist for it.
 */
export interface ScimStore<Context> {
  find(context: Context, type: ResourceType, id: string, read: ResourceRead): Promise<StoredResource | undefined>;
  list(context: Context, type: ResourceType, query: ListQuery): Promise<ResourcePage>;
  /** Returns all members and no derived attributes: a new resource has none yet. */
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
  /** Whether `change` looks at the version; else it decides by the attributes alone, and by members where it reads them. */
  readonly isConditional: boolean;
  /** Given where `change` does this and nothing else, whatever it is called with: a store may then do without reading. */
  readonly memberDelta?: MemberDelta | undefined;
  /** What to return; `change` sees no derived attributes. */
  readonly returns: ResourceRead;
}
