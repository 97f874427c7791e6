import { execFileSync } from "node:child_process";
import type { SyncStatus } from "@branchward/core/api";
import { describe, expect, it } from "vitest";
import { findNextStep } from "./next-step.ts";

type Verdict = SyncStatus["endpoints"][number]["verdict"];

function statusOf(state: SyncStatus["state"], verdicts: Record<string, Verdict>, over: Partial<SyncStatus> = {}) {
  return {
    state,
    conclusion: "failure",
    repository: "acme/web",
    branch: "main",
    refType: "branch",
    revision: null,
    incarnation: null,
    governed: true,
    degraded: false,
    endpoints: Object.entries(verdicts).map(([endpoint, verdict]) => ({ endpoint, verdict, checkedAt: null })),
    sync: "019aaaaa-0000-7000-8000-000000000001",
    ...over,
  } satisfies SyncStatus;
}

const tell = (...args: Parameters<typeof statusOf>) => findNextStep(statusOf(...args), { isWaited: true });

describe("the next step", () => {
  it("is the run where there is one endpoint, else the runs of the endpoint in question", () => {
    expect(tell("failed", { hg: "failed" })).toBe(
      "see what failed: branchward syncs show 019aaaaa-0000-7000-8000-000000000001; whether the endpoint works: branchward doctor --endpoint hg",
    );
    expect(tell("diverged", { directory: "verified", hg: "diverged" })).toContain(
      "branchward syncs --repository acme/web --branch main --verdict diverged --endpoint hg, then branchward syncs show ID",
    );
    const several = tell("held", { directory: "held", hg: "held" });
    expect(several).toContain("branchward syncs --repository acme/web --branch main --verdict held, then");
    expect(several).toContain("branchward syncs approve ID");
    expect(several).toContain("branchward hold list --state standing");
  });

  it("follows what counts as failed although it is unverifiable", () => {
    expect(tell("failed", { directory: "verified", hg: "unverifiable" })).toContain(
      "--verdict unverifiable --endpoint hg",
    );
  });

  it("is to wait where nobody waited, and to look at the endpoints where somebody did, or past the deadline", () => {
    const pending = statusOf("pending", { hg: "pending" });
    expect(findNextStep(pending, { isWaited: false })).toBe("wait for it: branchward wait acme/web main");
    expect(findNextStep(pending, { isWaited: true })).toContain("branchward endpoints list");
    expect(findNextStep(statusOf("deadline", { hg: "pending" }), { isWaited: false, refType: "bookmark" })).toContain(
      "branchward recheck --ref-type bookmark acme/web main",
    );
    expect(tell("in_sync", { hg: "verified" })).toBeUndefined();
  });

  it("can be pasted, whatever the branch is called", () => {
    for (const branch of ["a b", "$(touch x)", "it's", "`id`;#", "-x", "ü"]) {
      const line = tell("diverged", { a: "verified", hg: "diverged" }, { branch }) ?? "";
      const command = /: branchward (syncs .*), then/u.exec(line)?.[1] ?? "";
      const words = execFileSync("sh", ["-c", `printf '%s\\n' ${command}`], { encoding: "utf8" }).split("\n");
      expect(words.join(" ")).toContain(branch.startsWith("-") ? `--branch=${branch}` : `--branch ${branch} `);
    }
    expect(tell("deadline", { hg: "pending" }, { branch: "-x" })).toContain("branchward recheck -- acme/web -x");
  });
});
