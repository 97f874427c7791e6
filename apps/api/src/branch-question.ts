import { InvalidInputError, NotFoundError, type RefType } from "@branchward/core";
import { type BranchRow, listBranchesNamed, type Queryable } from "@branchward/store";

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
  const rows = await listBranchesNamed(db, repository, branch, refType);
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

/** As `findBranchNamed`. @throws {NotFoundError} `unknown_branch` */
export async function getBranchNamed(db: Queryable, question: BranchQuestion): Promise<BranchRow> {
  const branch = await findBranchNamed(db, question);
  if (branch !== undefined) return branch;
  throw new NotFoundError(`${question.repository} has no branch ${question.branch} that we know of`, {
    code: "unknown_branch",
  });
}
