/** The section `mercurial` of bridge.yaml. */
import { childOf, choiceField, type ConfigurationNode, listField, type Reader } from "@branchward/core";
import { z } from "zod";
import { type AccountNaming, readAccountNaming } from "../accounts/account-name.ts";
import * as field from "../configuration/fields.ts";

/** A repository of the host. */
export interface MercurialRepository {
  /** As Branchward and entitlement groups name it. */
  readonly name: string;
  readonly path: string;
  /** Whether active accounts may push where no entitlement group governs (rule B2). */
  readonly ungoverned: "allow" | "deny";
}

export interface MercurialConfiguration {
  readonly repositories: readonly MercurialRepository[];
  /** The file of http passwords; null where people do not come by http. */
  readonly htpasswd: string | null;
  /** The keys of the account that people reach by ssh; null where they do not. */
  readonly authorizedKeys: string | null;
  /** The users of this machine that serve the repositories; empty: the owner of each. */
  readonly user: readonly string[];
  /** Whether accounts that were there before the bridge may push where nothing governs, until they are adopted. */
  readonly found: "allow" | "deny";
  /** Where the rules are written; null: below the state directory. */
  readonly rules: string | null;
  /** The program that ssh connections end in. */
  readonly hgSsh: string;
  /** The program. */
  readonly hg: string;
  /** The address of the multi-repository hgweb, asked whether it takes up changes at once; null: not asked. */
  readonly web: string | null;
  /** What becomes of entitlement groups of verbs that Mercurial cannot enforce. */
  readonly otherEntitlements: "refuse" | "keep";
  readonly account: AccountNaming;
}

const webAddress = z
  .string({ error: "must be an http or https URL" })
  .refine((value) => /^https?:\/\/[^\s?#@]+$/u.test(value) && URL.canParse(value), {
    error: "must be an http or https URL without credentials, query or fragment",
  })
  .transform((value) => value.replace(/\/+$/u, ""));

/** Reads the section; what is wrong is reported to the reader. */
export function readMercurial(reader: Reader, node: ConfigurationNode): MercurialConfiguration {
  const fields = reader.readFields(node, {
    repositories: z.unknown(),
    htpasswd: field.path.optional(),
    authorizedKeys: field.path.optional(),
    user: z.union([field.unixName.transform((name) => [name]), listField(field.unixName)]).optional(),
    rules: field.path.optional(),
    hgSsh: field.path.default("/usr/bin/hg-ssh"),
    hg: field.path.default("/usr/bin/hg"),
    web: webAddress.optional(),
    ungoverned: choiceField(["allow", "deny"]).default("allow"),
    found: choiceField(["allow", "deny"]).default("deny"),
    otherEntitlements: choiceField(["refuse", "keep"]).default("refuse"),
    account: z.unknown(),
  });
  const { htpasswd = null, authorizedKeys = null, ungoverned = "allow" } = fields;
  const isGiven = (key: string): boolean => childOf(node, key).value !== undefined;
  if (!isGiven("htpasswd") && !isGiven("authorizedKeys"))
    reader.report(node.path, "names neither htpasswd nor authorizedKeys: nobody could come in");
  return {
    repositories: readRepositories(reader, childOf(node, "repositories"), ungoverned),
    htpasswd,
    authorizedKeys,
    user: fields.user ?? [],
    rules: fields.rules ?? null,
    hgSsh: fields.hgSsh ?? "",
    hg: fields.hg ?? "",
    web: fields.web ?? null,
    found: fields.found ?? "deny",
    otherEntitlements: fields.otherEntitlements ?? "refuse",
    account: readAccountNaming(reader, node),
  };
}

function readRepositories(
  reader: Reader,
  node: ConfigurationNode,
  ungoverned: "allow" | "deny",
): readonly MercurialRepository[] {
  const items = reader.readItems(node);
  if (items.length === 0) reader.report(node.path, "must name a repository");
  const repositories = items.map((item) => {
    const fields = reader.readFields(item, {
      name: field.repositoryName,
      path: field.path,
      ungoverned: choiceField(["allow", "deny"]).default(ungoverned),
    });
    return { name: fields.name ?? "", path: fields.path ?? "", ungoverned: fields.ungoverned ?? ungoverned };
  });
  for (const key of ["name", "path"] as const) {
    const seen = new Set<string>();
    for (const [index, repository] of repositories.entries()) {
      const value = repository[key];
      if (value !== "" && seen.has(value)) reader.report([...node.path, index, key], `${value} is there twice`);
      seen.add(value);
    }
  }
  return repositories;
}
