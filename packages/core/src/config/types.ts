import type { Policy } from "../policy/types.ts";
import type { Trust } from "../words.ts";

/** Where a secret is found; never the secret. */
export type SecretReference = { readonly env: string } | { readonly file: string };

export type SourceType = "agent" | "github";

export interface SourceConfiguration {
  readonly name: string;
  readonly type: SourceType;
  /** Several during a rotation; the first one signs. */
  readonly secret: readonly SecretReference[];
  readonly may: readonly ("checkout" | "refs")[];
  /** False where `may` was left out, which means both and stands as a finding (rule A1). */
  readonly isMayGiven: boolean;
  /** The directory attribute that is compared with the actor's key or e-mail (rule B5). */
  readonly identity: { readonly attribute: string; readonly match: "key" | "email" };
  /** Checkouts with less start nothing (rule B6). */
  readonly requireTrust: Trust;
  /** Where the host is asked what became of a branch (rule A4); null where it cannot be asked. */
  readonly api: {
    /** Null for the host's own. */
    readonly url: string | null;
    readonly token: readonly SecretReference[];
    /** Networks in CIDR notation that it may be in though they are not public. */
    readonly allow: readonly string[];
  } | null;
}

/** A repository that several sources feed (rule A2). */
export interface RepositoryConfiguration {
  readonly name: string;
  /** The one source whose refs count. */
  readonly authority: string;
  readonly sources: readonly string[];
}

export interface EndpointConfiguration {
  readonly name: string;
  readonly type: "builtin" | "scim";
  /** Null only for the built-in one: the address of this process. */
  readonly url: string | null;
  /** Null only for the built-in one: an internal token. */
  readonly token: readonly SecretReference[] | null;
  readonly accounts: boolean;
  /** The most calls under way at once; fewer while the endpoint refuses or does not answer. */
  readonly concurrency: number;
  /** Networks in CIDR notation that the endpoint may be in though they are not public. */
  readonly allow: readonly string[];
  /** How often one call is tried at an endpoint that failed too often. */
  readonly probeEveryMs: number;
  readonly ci: "required" | "advisory";
  readonly drift: "repair" | "report";
  /** Template of entitlement group names. */
  readonly displayName: string;
}

export type CiConclusion = "neutral" | "failure";

export interface CiConfiguration {
  readonly deadlineMs: number;
  readonly onDeadline: {
    readonly default: CiConclusion;
    readonly byEntitlement: Readonly<Record<string, CiConclusion>>;
  };
  /** What an `unverifiable` verdict counts as (rule D2). */
  readonly unverifiable: "degraded" | "failure";
}

export interface AuditConfiguration {
  /** The period aimed at; what is achieved depends on the budget. */
  readonly intervalMs: number;
  /** Share of an endpoint's rate, above 0 and at most 1 (rule C9). */
  readonly budget: number;
  /** A checkout audits only what was verified longer ago. */
  readonly minIntervalMs: number;
}

/** Emergency grants (rule B9). */
export interface GrantConfiguration {
  /** `required`: by another than who asks. */
  readonly approval: "required" | "none";
  readonly maxMs: number;
}

/** An attribute with every characteristic of RFC 7643 §2.2 and §7. */
export interface ScimAttributeConfiguration {
  readonly name: string;
  readonly description: string;
  readonly type: "string" | "boolean" | "decimal" | "integer" | "dateTime" | "binary" | "reference" | "complex";
  readonly multiValued: boolean;
  readonly required: boolean;
  readonly caseExact: boolean;
  readonly mutability: "readOnly" | "readWrite" | "immutable" | "writeOnly";
  readonly returned: "always" | "never" | "default" | "request";
  readonly uniqueness: "none" | "server" | "global";
  readonly canonicalValues?: readonly string[];
  readonly referenceTypes?: readonly string[];
  readonly subAttributes?: readonly ScimAttributeConfiguration[];
}

export interface ScimSchemaConfiguration {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Whether every resource must have it; false for what is no extension. */
  readonly required: boolean;
  readonly attributes: readonly ScimAttributeConfiguration[];
}

/** A resource type of the directory beyond the core ones; for `User` and `Group` further extensions alone. */
export interface ScimResourceTypeConfiguration {
  readonly name: string;
  /** Null for `User` and `Group`, whose own stand. */
  readonly endpoint: string | null;
  readonly description: string;
  /** Null for `User` and `Group`. */
  readonly schema: ScimSchemaConfiguration | null;
  readonly extensions: readonly ScimSchemaConfiguration[];
}

/** What the directory serves beyond users and groups. */
export interface ScimConfiguration {
  /** The shape of `/Roles` and `/Entitlements`; `auto` is Okta's for Okta, the IETF draft's for all others. */
  readonly catalogues: "auto" | "ietf" | "okta" | "off";
  readonly resourceTypes: readonly ScimResourceTypeConfiguration[];
}

/** The whole of `branchward.yaml`, with defaults filled in. */
export interface Configuration {
  readonly file: string;
  readonly sources: readonly SourceConfiguration[];
  readonly repositories: readonly RepositoryConfiguration[];
  readonly endpoints: readonly EndpointConfiguration[];
  readonly policy: Policy;
  readonly ci: CiConfiguration;
  readonly audit: AuditConfiguration;
  readonly accounts: { readonly adopt: "review" | "auto" };
  readonly grants: GrantConfiguration;
  /** How long repair may be held. */
  readonly holds: { readonly maxMs: number };
  readonly scim: ScimConfiguration;
}
