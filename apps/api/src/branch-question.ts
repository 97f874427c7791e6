import { InvalidInputError, NotFoundError, type RefType } from "@branchward/core";
import { type BranchRow, listBranchesNamed, listOutnamed, type Queryable } from "@branchward/store";

export interface BranchQuestion {
  readonly repository: string;
  readonly branch: string;
  readonly refType?: RefType | undefined;
}

/**
 * The one incarnation that a name means: the live one, else the last that ended.
 * @throws {InvalidInputError} `ambiguous_branch` or `ambiguous_repository` when several match.
 */
export async function findBranchNamed(db: Queryable, question: BranchQuestion): Promise<BranchRow | undefined> {
  const { repository, branch, refType } = question;
  const rows = await withoutOutnamed(db, await listBranchesNamed(db, repository, branch, refType));
  const live = rows.filter((row) => row.state !== "deleted");
  const candidates = live.length > 0 ? live : rows;
  const [first, second] = candidates;
  if (second === undefined) return first;
  const refTypes = [...new Set(candidates.map((row) => row.refType))];
  if (refTypes.length > 1) {
    throw new InvalidInputError(
      `${repository} has a ${refTypes.join(" and a ")} named ${branch}; add refType=${refTypes[0] ?? ""}`,
      { code: "ambiguous_branch" },
    );
  }
  throw new InvalidInputError(
    `several sources have a repository named ${repository}; join them under repositories: in the configuration`,
    { code: "ambiguous_repository" },
  );
}

/** Of several repositories that bore the name at one source, the one that bears it now. */
async function withoutOutnamed(db: Queryable, rows: readonly BranchRow[]): Promise<readonly BranchRow[]> {
  const ids = new Set(rows.map((row) => row.repositoryId));
  if (ids.size < 2) return rows;
  const outnamed = await listOutnamed(db, [...ids]);
  const named = rows.filter((row) => !outnamed.has(row.repositoryId));
  return named.length > 0 ? named : rows;
}

/** As `findBranchNamed`. @throws {NotFoundError} `unknown_branch` */
export async function getBranchNamed(db: Queryable, question: BranchQuestion): Promise<BranchRow> {
  const branch = await findBranchNamed(db, question);
  if (branch !== undefined) return branch;
  throw new NotFoundError(`${question.repository} has no branch ${question.branch} that we know of`, {
    code: "unknown_branch",
  });
}
