/** Which repository of Phabricator an entitlement group means. */
import { ScimError } from "@branchward/scim";
import { z } from "zod";
import type { Conduit } from "./conduit.ts";
import { parseResult } from "./parse-result.ts";
import { readAgain } from "./resolve-outcome.ts";

/** A repository that the configuration names: Branchward's label, and how Phabricator calls it. */
export interface RepositoryName {
  readonly name: string;
  /** PHID, short name, callsign, or `R` and the id. */
  readonly repository: string;
}

/** A repository of Phabricator. */
export interface NativeRepository {
  readonly phid: string;
  readonly name: string;
  readonly vcs: string;
  /** The policy of pushing at all, which a branch rule narrows. */
  readonly pushPolicy: string | undefined;
}

/** The repositories of one server. */
export interface NativeRepositories {
  /** @throws ScimError 400 invalidValue naming why no single repository is meant; ConduitError */
  get(label: string): Promise<NativeRepository>;
  /** By PHID, under the label that the configuration gives it, else its own name. @throws ConduitError */
  find(phid: string): Promise<NativeRepository | undefined>;
}

const page = z.object({
  data: z.array(
    z.object({
      id: z.number(),
      phid: z.string(),
      fields: z.object({
        name: z.string(),
        vcs: z.string(),
        callsign: z.string().nullable(),
        shortName: z.string().nullable(),
        policy: z.looseObject({ "diffusion.push": z.string().optional() }),
      }),
    }),
  ),
  cursor: z.object({ after: z.union([z.string(), z.number()]).nullable() }),
});
type Found = z.infer<typeof page>["data"][number];

/** Makes the repositories of a server. A label that `names` does not hold is a repository's exact name or short name. */
export function createNativeRepositories(conduit: Conduit, names: readonly RepositoryName[]): NativeRepositories {
  return {
    async get(label) {
      const named = names.find(({ name }) => name === label);
      const found = (await listRepositories(conduit)).filter((repository) =>
        named === undefined ? hasName(repository, label) : isCalled(repository, named.repository),
      );
      const [only] = found;
      if (only === undefined || found.length > 1) {
        const problem = only === undefined ? "no repository" : `${found.length} repositories`;
        throw new ScimError(400, `Phabricator has ${problem} named ${named?.repository ?? label}`, "invalidValue");
      }
      return toRepository(only, label);
    },
    async find(phid) {
      const found = (await listRepositories(conduit)).find((repository) => repository.phid === phid);
      if (found === undefined) return undefined;
      return toRepository(found, names.find((name) => isCalled(found, name.repository))?.name ?? found.fields.name);
    },
  };
}

function toRepository({ phid, fields }: Found, name: string): NativeRepository {
  return { phid, name, vcs: fields.vcs, pushPolicy: fields.policy["diffusion.push"] };
}

function hasName({ fields }: Found, label: string): boolean {
  return fields.name === label || fields.shortName === label;
}

function isCalled({ id, phid, fields }: Found, called: string): boolean {
  return [phid, fields.shortName, fields.callsign, `R${id}`].includes(called);
}

async function listRepositories(conduit: Conduit): Promise<readonly Found[]> {
  const repositories: Found[] = [];
  let after: string | number | null = null;
  do {
    const parameters: object = { order: "oldest", limit: 100, ...(after === null ? {} : { after: String(after) }) };
    const result = await readAgain(() => conduit.read("diffusion.repository.search", parameters));
    const found: z.infer<typeof page> = parseResult(page, "diffusion.repository.search", result);
    repositories.push(...found.data);
    after = found.cursor.after;
  } while (after !== null);
  return repositories;
}
