/** What to look at, or to do, where a branch is not in sync: the commands, with everything filled in that is known. */
import type { SyncStatus } from "@branchward/core/api";

export interface Asked {
  /** As the question named it, where it did. */
  readonly refType?: string | undefined;
  /** True where the answer was waited for. */
  readonly isWaited: boolean;
}

type Reading = SyncStatus["endpoints"][number];

/** One line without its end; undefined where nothing is in the way, or nobody told of the branch. */
export function findNextStep(status: SyncStatus, asked: Asked): string | undefined {
  const { state } = status;
  switch (state) {
    case "in_sync":
    case "unknown":
      return undefined;
    case "failed": {
      // Where the configuration says so, what cannot be verified counts as failed.
      const at = listAt(status, ["failed", "unverifiable"]);
      return `see what failed: ${toRuns(status, at)}${toDoctor("whether the endpoint works", at)}`;
    }
    case "diverged": {
      const at = listAt(status, ["diverged"]);
      return `see what reads differently: ${toRuns(status, at)}${toDoctor("whether the endpoint does what it is told", at)}`;
    }
    case "held":
      return `see what is withheld: ${toRuns(status, listAt(status, ["held"]))}; let it go: branchward syncs approve ID; holds that suspend repair: branchward hold list --state standing`;
    case "pending":
    case "deadline":
      if (state === "pending" && !asked.isWaited) return `wait for it: ${toCommand("wait", status, asked)}`;
      return `see whether calls are kept back: branchward endpoints list; look again ahead of others: ${toCommand("recheck", status, asked)}`;
  }
}

function listAt({ endpoints }: SyncStatus, verdicts: readonly Reading["verdict"][]): readonly Reading[] {
  return endpoints.filter(({ verdict }) => verdicts.includes(verdict));
}

/** The run itself where it is known to be the one; else the list of those that it is among. */
function toRuns({ sync, endpoints, repository, branch }: SyncStatus, [first, ...others]: readonly Reading[]): string {
  if (sync !== null && endpoints.length === 1) return `branchward syncs show ${sync}`;
  const where = toOption("endpoint", others.length === 0 ? first?.endpoint : undefined);
  const options = [
    toOption("repository", repository),
    toOption("branch", branch),
    toOption("verdict", first?.verdict),
    where,
  ];
  return `branchward syncs${options.join("")}, then branchward syncs show ID`;
}

function toDoctor(what: string, [first]: readonly Reading[]): string {
  return first === undefined ? "" : `; ${what}: branchward doctor --endpoint ${quote(first.endpoint)}`;
}

function toCommand(name: "wait" | "recheck", { repository, branch }: SyncStatus, { refType }: Asked): string {
  const names = [repository, branch].map(quote).join(" ");
  // What follows `--` is no option, however it begins.
  const end = repository.startsWith("-") || branch.startsWith("-") ? " --" : "";
  return `branchward ${name}${toOption("ref-type", refType)}${end} ${names}`;
}

function toOption(name: string, value: string | undefined): string {
  if (value === undefined) return "";
  return ` --${name}${value.startsWith("-") ? "=" : " "}${quote(value)}`;
}

/** For a POSIX shell: others chose these names, and whoever reads the line may paste it. */
function quote(text: string): string {
  return /^[\w@%+:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
