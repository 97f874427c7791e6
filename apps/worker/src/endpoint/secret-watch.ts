import { type Database, raiseFinding, resolveFinding } from "@branchward/store";
import type { CredentialSources } from "./credentials.ts";

const FINDING = "secret-unreadable";

/** That the files of a token cannot be read any more stands as a finding, until they can. `where` as in `endpoint hg`. */
export function createSecretWatch(db: Database, where: string): CredentialSources["onUnread"] {
  return async (reason) => {
    if (reason === undefined) return resolveFinding(db, FINDING, where);
    await raiseFinding(db, {
      kind: FINDING,
      subject: where,
      severity: "warning",
      message: `${reason}. What was read last stays in use, but the next start would be refused: put the file back, or take it out of token; each call there looks again`,
    });
  };
}
