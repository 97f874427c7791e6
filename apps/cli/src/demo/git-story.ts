import type { Stage } from "./stage.ts";

const REPOSITORY = "acme/web";

/** A branch's life in Git: pushed, checked out, renamed to a stricter name, deleted. */
export async function tellGitStory({ directory, shell, narrator, witness, hooks }: Stage): Promise<void> {
  const server = `${directory}/${REPOSITORY}.git`;
  const clone = `${directory}/web`;
  const git = (...args: readonly string[]) => {
    narrator.command(`git ${args.join(" ")}`);
    return shell(clone, "git", ...args);
  };
  narrator.title("Git: a bare repository and alice's clone, with Branchward's hooks in both");
  await shell(directory, "git", "init", "--quiet", "--bare", "--initial-branch=main", server);
  await shell(directory, "git", "clone", "--quiet", server, clone);
  await shell(clone, "git", "config", "user.name", "Alice Adams");
  await shell(clone, "git", "config", "user.email", "alice@example.com");
  await hooks(server, "server");
  await hooks(clone, "client");

  const branch = { repository: REPOSITORY, refType: "branch", state: "active" } as const;
  const everyone = ["alice", "bob", "carol", "dan"];
  narrator.title("Push a new branch: policy's everyday rule gives it its groups");
  await shell(clone, "git", "checkout", "--quiet", "-b", "main");
  await shell(clone, "git", "commit", "--quiet", "--allow-empty", "-m", "first");
  await witness.observe(() => git("push", "--quiet", "origin", "main", "main:dev/login"), {
    ...branch,
    branch: "dev/login",
    holders: { push: everyone, merge: ["alice", "bob", "dan"], read: [] },
  });

  narrator.title("Check it out: alice may read it, for as long as policy says");
  await witness.observe(() => git("checkout", "--quiet", "-t", "origin/dev/login"), {
    ...branch,
    branch: "dev/login",
    holders: { push: everyone, read: ["alice"] },
  });

  narrator.title("Rename it to a release branch: nobody keeps what the stricter name does not give");
  await witness.observe(() => git("push", "--quiet", "origin", "dev/login:release/1.0", ":dev/login"), {
    ...branch,
    branch: "release/1.0",
    renamedFrom: "dev/login",
    holders: { push: ["alice"], merge: ["alice", "carol"], deploy: ["deployer"], read: ["alice"] },
  });

  narrator.title("Delete it: its groups are emptied at once");
  await witness.observe(() => git("push", "--quiet", "origin", ":release/1.0"), {
    ...branch,
    branch: "release/1.0",
    state: "deleted",
    holders: { push: [], merge: [], deploy: [], read: [] },
  });
}
