/** The section `gitolite` of bridge.yaml. */
import { childOf, choiceField, type ConfigurationNode, type Reader } from "@branchward/core";
import { z } from "zod";
import { type AccountNaming, readAccountNaming } from "../accounts/account-name.ts";
import * as field from "../configuration/fields.ts";

/** A repository of the host. */
export interface GitoliteRepository {
  /** As Branchward and entitlement groups name it. */
  readonly name: string;
  /** As gitolite names it. */
  readonly repo: string;
}

export interface GitoliteConfiguration {
  /** The home of the user that gitolite runs as; it owns what is there. */
  readonly home: string;
  readonly repositories: readonly GitoliteRepository[];
  /** The program. */
  readonly gitolite: string;
  /** What becomes of entitlement groups of verbs that are not enforced here. */
  readonly otherEntitlements: "refuse" | "keep";
  readonly account: AccountNaming;
}

/** Reads the section; what is wrong is reported to the reader. */
export function readGitolite(reader: Reader, node: ConfigurationNode): GitoliteConfiguration {
  const fields = reader.readFields(node, {
    home: field.path,
    repositories: z.unknown(),
    gitolite: field.path.default("/usr/bin/gitolite"),
    otherEntitlements: choiceField(["refuse", "keep"]).default("refuse"),
    account: z.unknown(),
  });
  return {
    home: fields.home ?? "",
    repositories: readRepositories(reader, childOf(node, "repositories")),
    gitolite: fields.gitolite ?? "",
    otherEntitlements: fields.otherEntitlements ?? "refuse",
    account: readAccountNaming(reader, node),
  };
}

function readRepositories(reader: Reader, node: ConfigurationNode): readonly GitoliteRepository[] {
  const items = reader.readItems(node);
  if (items.length === 0) reader.report(node.path, "must name a repository");
  const seen = new Set<string>();
  return items.map((item, index) => {
    const { name = "", repo } = reader.readFields(item, {
      name: field.repositoryName,
      repo: field.repositoryName.optional(),
    });
    if (name !== "" && seen.has(name)) reader.report([...node.path, index, "name"], `${name} is there twice`);
    seen.add(name);
    return { name, repo: repo ?? name };
  });
}
