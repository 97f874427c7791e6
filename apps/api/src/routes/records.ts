import { NotFoundError } from "@branchward/core";
import { findingItem, page, pageQuery, policyDetails, policyVersionItem, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type Database,
  findActivePolicyVersion,
  listFindings,
  listPolicyVersions,
  type PolicyVersion,
} from "@branchward/store";
import { toPage } from "./page.ts";

export function createRecordRoutes(db: Database): readonly Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/findings",
      summary: "What stands and wants a look, the gravest first",
      scope: "read",
      query: pageQuery,
      responses: { 200: { description: "open findings", body: page(findingItem) } },
      async handle({ query: { limit } }) {
        return answer(200, { items: [...(await listFindings(db, limit))], nextCursor: null });
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/policy",
      summary: "The policy version in force, with its text",
      scope: "read",
      responses: {
        200: { description: "the active version", body: policyDetails },
        404: { description: "none is in force yet", body: problem },
      },
      async handle() {
        const version = await findActivePolicyVersion(db);
        if (version === undefined) throw new NotFoundError("no policy version is in force yet");
        return answer(200, { ...toItem(version), text: version.text });
      },
    }),
    defineRoute({
      method: "get",
      path: "/v1/policy/versions",
      summary: "Policy versions, newest first",
      scope: "read",
      query: pageQuery,
      responses: { 200: { description: "a page", body: page(policyVersionItem) } },
      async handle({ query: { limit, cursor } }) {
        const rows = await listPolicyVersions(db, {
          limit,
          ...(cursor === undefined ? {} : { before: Number(cursor) }),
        });
        return answer(200, toPage(rows, limit, toItem));
      },
    }),
  ];
}

function toItem({ id, digest, file, author, state, activatedAt }: PolicyVersion) {
  return { id, digest, file, author, state, activatedAt };
}
