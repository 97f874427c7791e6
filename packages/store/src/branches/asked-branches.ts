/** The branches that a hook asks about, found by what its source calls the repository. */
import type { BranchState, IncarnationId, RefType } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { nameKey } from "../name-key.ts";

export interface AskedBranch {
  readonly id: IncarnationId;
  readonly state: BranchState;
}

export interface AskedBranches {
  /** As policy knows the repository; what the source calls it where nothing of it was told yet. */
  readonly repository: string;
  /** The live incarnation of a name; undefined where there is none. */
  readonly find: (refType: RefType, name: string) => AskedBranch | undefined;
}

interface Row {
  readonly repository: string;
  readonly nameKey: string | null;
  readonly id: IncarnationId;
  readonly state: BranchState;
}

/** Branches that the registry does not know are no error: their push may be what makes them known. */
export async function findAskedBranches(
  db: Queryable,
  question: {
    readonly source: string;
    readonly repository: string;
    readonly branches: readonly { readonly refType: RefType; readonly branch: string }[];
  },
): Promise<AskedBranches> {
  const keys = question.branches.map(({ refType, branch }) => nameKey(refType, branch));
  const { rows } = await sql<Row>`
    select r.name as repository, i.name_key as "nameKey", i.id, i.state
    from repository_bindings b
    join repositories r on r.id = b.repository_id
    left join incarnations i on i.repository_id = r.id and i.name_key = any(${keys}::text[])
      and i.state <> 'deleted' and i.merged_into is null
    where b.source = ${question.source} and b.name = ${question.repository} and b.native_id is null
  `.execute(db);
  const found = new Map(rows.map((row) => [row.nameKey, { id: row.id, state: row.state }]));
  return {
    repository: rows[0]?.repository ?? question.repository,
    find: (refType, name) => found.get(nameKey(refType, name)),
  };
}
