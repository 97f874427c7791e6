/** The section `phabricator` of bridge.yaml. */
import {
  childOf,
  type ConfigurationNode,
  type Reader,
  type SecretReference,
  secretField,
  textField,
} from "@branchward/core";
import { z } from "zod";
import { type AccountNaming, readAccountNaming } from "../accounts/account-name.ts";
import * as field from "../configuration/fields.ts";
import type { RepositoryName } from "./repositories.ts";

export interface PhabricatorConfiguration {
  /** The server's base URI, without a trailing slash. */
  readonly url: string;
  /** Conduit API tokens of an administrator; several while one is rotated. */
  readonly token: readonly SecretReference[];
  /** Repositories that Phabricator calls otherwise than Branchward. */
  readonly repositories: readonly RepositoryName[];
  readonly account: AccountNaming;
}

const serverAddress = z
  .string({ error: "must be an http or https URL" })
  .refine((value) => /^https?:\/\/[^\s?#@]+$/u.test(value) && URL.canParse(value), {
    error: "must be an http or https URL without credentials, query or fragment",
  })
  .transform((value) => value.replace(/\/+$/u, ""));

/** Reads the section; what is wrong is reported to the reader. */
export function readPhabricator(reader: Reader, node: ConfigurationNode): PhabricatorConfiguration {
  const { url = "", token = [] } = reader.readFields(node, {
    url: serverAddress,
    token: secretField,
    repositories: z.unknown(),
    account: z.unknown(),
  });
  const repositories = reader.readItems(childOf(node, "repositories")).flatMap((item) => {
    const { name, repository } = reader.readFields(item, { name: field.repositoryName, repository: textField });
    return name === undefined || repository === undefined ? [] : [{ name, repository }];
  });
  const names = repositories.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) reader.report([...node.path, "repositories"], `names ${twice} twice`);
  return { url, token, repositories, account: readAccountNaming(reader, node) };
}
