/**
 * The words of the domain as types. The glossary stands at the head of `index.ts`; no synonyms.
 */
declare const brand: unique symbol;
/** A string that only `parse*` functions, the database and id makers may produce. */
export type Brand<Name extends string> = string & { readonly [brand]: Name };

export type DeliveryId = Brand<"DeliveryId">;
export type RepositoryId = Brand<"RepositoryId">;
export type IncarnationId = Brand<"IncarnationId">;
export type ScopeId = Brand<"ScopeId">;
export type SyncId = Brand<"SyncId">;
export type PolicyVersionId = Brand<"PolicyVersionId">;
/** A directory user's SCIM `id`. */
export type UserId = Brand<"UserId">;
/** A directory group's SCIM `id`. */
export type GroupId = Brand<"GroupId">;

export type Vcs = "git" | "hg";
export type RefType = "branch" | "bookmark" | "topic";
/** Where evidence was observed. Only `server` evidence changes the registry (rule A1). */
export type Site = "client" | "server";
/** How an identity claim is backed (rule B6). */
export type Trust = "token" | "claim";
export type BranchState = "active" | "closed" | "deleted";
export type Verdict = "verified" | "diverged" | "unverifiable" | "held" | "failed";
export type MismatchClass =
  | "ignored-operation"
  | "partial-apply"
  | "wrong-object"
  | "stale-replica"
  | "truncated-members"
  | "name-collision";
/** A verb on a branch: `read push create delete force merge deploy`, or any name policy introduces. */
export type Entitlement = string;
