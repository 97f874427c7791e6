/** What stands about accounts for the whole of an endpoint: who has had none for a day, and who waits for approval. */
import {
  type Database,
  listFindings,
  type MissingSummary,
  type NewFinding,
  raiseFinding,
  resolveFinding,
  summarizeMissingAccounts,
} from "@branchward/store";

const MISSING = "accounts-missing";
const WAITING = "accounts-waiting";

/** Raises and resolves them, to be called now and then (rule C5: a finding after 24 h). One that stands is left alone. */
export async function raiseAccountFindings(db: Database): Promise<void> {
  const standing = (await listFindings(db, MANY)).filter(({ kind }) => kind === MISSING || kind === WAITING);
  const wanted = (await summarizeMissingAccounts(db)).map(toFinding);
  for (const finding of wanted) {
    const isTold = standing.some(
      ({ kind, subject, message }) => isSame(finding, { kind, subject }) && message === finding.message,
    );
    if (!isTold) await raiseFinding(db, finding);
  }
  for (const one of standing) {
    if (!wanted.some((finding) => isSame(finding, one))) await resolveFinding(db, one.kind, one.subject);
  }
}

/** More findings than anybody has. */
const MANY = 1_000;

function isSame(a: Pick<NewFinding, "kind" | "subject">, b: Pick<NewFinding, "kind" | "subject">): boolean {
  return a.kind === b.kind && a.subject === b.subject;
}

function toFinding({ endpoint, isWaiting, count, userNames }: MissingSummary): NewFinding {
  const names = `${userNames.join(", ")}${count > userNames.length ? ", …" : ""}`;
  return {
    kind: isWaiting ? WAITING : MISSING,
    subject: endpoint,
    severity: isWaiting ? "info" : "warning",
    message: isWaiting
      ? `${count} accounts were found by their name and wait for approval (${names}): branchward endpoints accounts ${endpoint}`
      : `${count} people have had no account there for a day (${names}) and hold nothing there: branchward endpoints accounts ${endpoint}`,
  };
}
