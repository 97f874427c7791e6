import { writeFile } from "node:fs/promises";
import type { Stage } from "./stage.ts";

const REPOSITORY = "acme/firmware";

const ENGINEERS = ["alice", "bob", "dan"];
const EVERYONE = ["alice", "bob", "carol", "dan"];

/** A clone to work in. */
interface Clone extends Stage {
  /** Runs hg and shows the command. */
  readonly hg: (...args: readonly string[]) => Promise<string>;
  /** Runs hg without a word. */
  readonly quietly: (...args: readonly string[]) => Promise<string>;
  readonly commit: (message: string) => Promise<string>;
}

/** The same in Mercurial: a named branch opened and closed, a bookmark created, renamed and deleted. */
export async function tellHgStory(stage: Stage): Promise<void> {
  const clone = await openClone(stage);
  await tellNamedBranch(clone);
  await tellBookmark(clone);
}

async function openClone(stage: Stage): Promise<Clone> {
  const { directory, shell, narrator, hooks } = stage;
  const server = `${directory}/${REPOSITORY}`;
  const clone = `${directory}/firmware`;
  const hg = (...args: readonly string[]) => {
    narrator.command(`hg ${args.map((arg) => (arg.includes(" ") ? `"${arg}"` : arg)).join(" ")}`);
    return shell(clone, "hg", ...args);
  };
  const quietly = (...args: readonly string[]) => shell(clone, "hg", ...args);
  const commit = async (message: string) => {
    await writeFile(`${clone}/notes`, `${message}\n`);
    return quietly("commit", "--addremove", "--message", message);
  };
  narrator.title("Mercurial: a server repository and a clone, with Branchward's hooks in both");
  await shell(directory, "hg", "init", server);
  await shell(directory, "hg", "clone", "--quiet", server, clone);
  await hooks(server, "server");
  await hooks(clone, "client");
  return { ...stage, hg, quietly, commit };
}

async function tellNamedBranch({ narrator, witness, hg, quietly, commit }: Clone): Promise<void> {
  const named = { repository: REPOSITORY, refType: "branch", branch: "spring cleaning" } as const;
  narrator.title("Push a new named branch, with a space in its name");
  await commit("first");
  await quietly("branch", "--quiet", named.branch);
  await commit("on the branch");
  await witness.observe(() => hg("push", "--quiet", "--new-branch"), {
    ...named,
    state: "active",
    holders: { push: EVERYONE, merge: ENGINEERS },
  });

  narrator.title("Close it: a named branch is never deleted, but it gives nothing while it is closed");
  await quietly("commit", "--close-branch", "--message", "done");
  await witness.observe(() => hg("push", "--quiet"), { ...named, state: "closed", holders: { push: [], merge: [] } });
}

async function tellBookmark({ narrator, witness, hg, quietly, commit }: Clone): Promise<void> {
  const bookmark = { repository: REPOSITORY, refType: "bookmark", state: "active" } as const;
  narrator.title("Push a new bookmark");
  await quietly("update", "--quiet", "default");
  await commit("for the bookmark");
  await quietly("bookmark", "dev/radio");
  await witness.observe(() => hg("push", "--quiet", "--bookmark", "dev/radio"), {
    ...bookmark,
    branch: "dev/radio",
    holders: { push: EVERYONE, merge: ENGINEERS },
  });

  narrator.title("Rename the bookmark to a release: one transaction, one life");
  await quietly("bookmark", "--rename", "dev/radio", "release/2.0");
  await witness.observe(() => hg("push", "--quiet", "--bookmark", "release/2.0", "--bookmark", "dev/radio"), {
    ...bookmark,
    branch: "release/2.0",
    renamedFrom: "dev/radio",
    holders: { push: ["alice"], merge: ["alice", "carol"] },
  });

  narrator.title("Delete the bookmark");
  await quietly("bookmark", "--delete", "release/2.0");
  await witness.observe(() => hg("push", "--quiet", "--bookmark", "release/2.0"), {
    ...bookmark,
    branch: "release/2.0",
    state: "deleted",
    holders: { push: [], merge: [] },
  });
}
