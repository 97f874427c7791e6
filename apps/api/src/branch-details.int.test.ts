import { createActivePolicy, ensureScopes, findBranch, proposePolicy } from "@branchward/store";
import { insertScope, insertUser, openTestDatabase } from "@branchward/store/testing";
import { expect, it } from "vitest";
import { findBranchDetails } from "./branch-details.ts";

const text = `
policy:
  - repositories: ["**"]
    branches: ["dev/**"]
    grants: [{ entitlement: push, to: ["user:alice", "user:bob"] }]
  - repositories: ["**"]
    branches: ["release/**"]
    grants: [{ entitlement: push, to: ["user:alice"] }]
`;

it("what a branch ought to hold is narrowed by its former name only where the rename is not verified yet (rule A5)", async () => {
  await using database = await openTestDatabase();
  const { db, pool } = database;
  for (const userName of ["alice", "bob"]) await insertUser(db, userName);
  await proposePolicy(db, ["hg", "mirror"], { text, file: "branchward.yaml", author: "tests", origin: "file" });
  const { incarnationId } = await insertScope(db, { branch: "dev/x", endpoint: "hg" });
  await ensureScopes(db, incarnationId, ["mirror"], "rename");
  await pool.query("update scopes set strict_names = '{release/9}' where endpoint = 'hg'");
  const branch = await findBranch(db, incarnationId);
  if (branch === undefined) throw new Error("no branch");
  const { scopes } = await findBranchDetails({ db, activePolicy: createActivePolicy() }, branch);
  const members = scopes.map(({ endpoint, entitlements }) => {
    return [endpoint, entitlements.flatMap((each) => each.members.map(({ userName }) => userName)).toSorted()];
  });
  expect(Object.fromEntries(members)).toEqual({ hg: ["alice"], mirror: ["alice", "bob"] });
});
