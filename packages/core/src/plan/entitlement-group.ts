/** How entitlement groups are named at endpoints (rules A6, A8; contract, "Entitlement groups on the wire"). */
import { foldName } from "../fold-name.ts";
import type { Entitlement, IncarnationId, RefType } from "../words.ts";
import type { BranchEntitlement, ScopeBranch } from "./types.ts";

const externalIdPrefix = "branchward:";

export const defaultDisplayNameTemplate = "{repository}:{branch}:{entitlement}";

export function externalIdOf(incarnation: IncarnationId, entitlement: Entitlement): string {
  return `${externalIdPrefix}${incarnation}:${entitlement}`;
}

/** True for every `externalId` that only Branchward may give (rule C7). */
export function isOurExternalId(externalId: string): boolean {
  return externalId.startsWith(externalIdPrefix);
}

/** What an `externalId` of ours says, as it is written there; undefined for any other. */
export function splitExternalId(
  externalId: string,
): { readonly incarnation: string; readonly entitlement: string } | undefined {
  if (!isOurExternalId(externalId)) return undefined;
  const [incarnation = "", ...entitlement] = externalId.slice(externalIdPrefix.length).split(":");
  return entitlement.length === 0 ? undefined : { incarnation, entitlement: entitlement.join(":") };
}

export function toBranchEntitlement(branch: ScopeBranch, entitlement: Entitlement): BranchEntitlement {
  const { repository, branch: name, refType, incarnation, vcs } = branch;
  return { repository, branch: name, refType, entitlement, incarnation, vcs };
}

type NameParts = Pick<ScopeBranch, "repository" | "branch" | "refType"> & { readonly entitlement: Entitlement };

const refTypeMark: Record<RefType, string> = { branch: "", bookmark: "@bookmark", topic: "@topic" };

/** The group's name by the template; values are inserted once and never read as a template themselves. */
export function renderDisplayName(template: string, parts: NameParts): string {
  return template.replaceAll(/\{(repository|branch|entitlement)\}/g, (_, key: string) => {
    if (key === "repository") return parts.repository;
    return key === "branch" ? `${parts.branch}${refTypeMark[parts.refType]}` : parts.entitlement;
  });
}

/**
 * The names that a group may take, the wanted one first. The suffix tells incarnations of one name apart; the whole id
 * follows, because ids made within about a minute begin with the same eight characters (UUIDv7).
 */
export function listDisplayNames(
  template: string,
  parts: NameParts & Pick<ScopeBranch, "incarnation">,
): readonly string[] {
  const name = renderDisplayName(template, parts);
  return [name, `${name} ~${parts.incarnation.slice(0, 8)}`, `${name} ~${parts.incarnation}`];
}

/** Full-width and half-width forms. */
const widthForms = /[\uff01-\uffee]/gu;

/**
 * The key under which two names of groups are one (rule A8), at the directory and beside any endpoint's groups: without
 * outer space, of one width, in NFC, full case folded, so that ß is SS. These are the mappings of PRECIS for names
 * (RFC 8265 §3.3, which RFC 7644 §5 asks for); other compatibility forms, such as ² and 2, are different names.
 */
export function foldDisplayName(displayName: string): string {
  const narrow = displayName.trim().replace(widthForms, (form) => form.normalize("NFKC"));
  return foldName(narrow);
}
