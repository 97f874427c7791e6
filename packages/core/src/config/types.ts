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
  /** The directory attribute that is compared with the actor's key or e-mail (rule B5). */
  readonly identity: { readonly attribute: string; readonly match: "key" | "email" };
  /** Checkouts with less start nothing (rule B6). */
  readonly requireTrust: Trust;
  /** For look-ups and reports at the host. */
  readonly api: { readonly url: string | null; readonly token: readonly SecretReference[] } | null;
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
  readonly concurrency: number;
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
}
