/** Every command with its options; the code behind one is loaded when it runs. */
import { Command, CommanderError, Option } from "commander";
import { type CommandContext, EXIT } from "./context.ts";
import { parseLimit, type Run, withConnection } from "./options.ts";
import { addLinkCommands, addMomentCommands } from "./people-commands.ts";

/** Parses the arguments and runs the command; resolves with the exit code. */
export async function createProgram(context: CommandContext, argv: readonly string[]): Promise<number> {
  const outcome = { code: EXIT.ok as number };
  const done: Run = (code) => {
    outcome.code = code;
  };
  const program = new Command("branchward")
    .description("Keeps who may act on a branch equal to what policy says, in every system that enforces it.")
    .version("0.1.0")
    .configureOutput({ writeOut: (text) => context.stdout.write(text), writeErr: (text) => context.stderr.write(text) })
    .exitOverride()
    .showHelpAfterError("(branchward COMMAND --help tells more)");
  addServerCommands(program, context, done);
  addBranchCommands(program, context, done);
  addRecordCommands(program, context, done);
  addGroupCommands(program, context, done);
  addLinkCommands(program, context, done);
  addMomentCommands(program, context, done);
  addEndpointCommands(program, context, done);
  addTokenCommands(program, context, done);
  addHookCommands(program, context, done);
  addBridgeCommands(program, context, done);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return outcome.code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

function withConfig(command: Command): Command {
  return command.option(
    "--config <file>",
    "configuration (BRANCHWARD_CONFIG; default ./branchward.yaml, else the bundled example)",
  );
}

function addServerCommands(program: Command, context: CommandContext, done: Run): void {
  withConfig(program.command("start"))
    .description("run receiver, api and worker in this process, on an embedded PostgreSQL unless DATABASE_URL is set")
    .addOption(
      new Option("--only <role>", "run one of them alone (needs DATABASE_URL)").choices(["receiver", "api", "worker"]),
    )
    .action(async (options) => done(await (await import("./commands/start.ts")).start(context, options)));
  program
    .command("demo")
    .description("show the main job on real Git and Mercurial repositories in a temporary directory, then end")
    .action(async () => done(await (await import("./commands/demo.ts")).demo(context)));
  withConfig(program.command("migrate"))
    .description("bring the database of DATABASE_URL (or the embedded one) up to date: our tables and BullMQ's")
    .option("--json", "JSON on stdout")
    .action(async (options) => done(await (await import("./commands/migrate.ts")).migrate(context, options)));
  withConfig(program.command("check [file]"))
    .description("validate the configuration: every problem with file, line and path; exit 78 when there are any")
    .option("--json", "JSON on stdout")
    .action(async (file, options) =>
      done(await (await import("./commands/check.ts")).check(context, { file, ...options })),
    );
  addPlanCommands(program, context, done);
  withConnection(withConfig(program.command("doctor")))
    .description("check this machine, the configuration, the database, the queue and a running Branchward")
    .option("--endpoint <name>", "try out what this endpoint does instead")
    .action(async (options) => done(await (await import("./commands/doctor.ts")).doctor(context, options)));
}

function addPlanCommands(program: Command, context: CommandContext, done: Run): void {
  const plan = withConnection(withConfig(program.command("plan [file]")))
    .description("what the policy of a file would do to every live branch; exit 0 for nothing, 1 for changes")
    .option("--activate", "propose it: in force at once, unless its plan needs approval (exit 0 in force, 1 held)")
    .option("--limit <n>", "changes shown, and scopes and users of each", parseLimit, 20)
    .action(async (file, options) =>
      done(await (await import("./commands/plan.ts")).plan(context, { file, ...options })),
    );
  // `plan` itself takes options that stand behind these, and gives their defaults.
  withConnection(plan.command("versions"))
    .description("policy versions, newest first: in force, waiting, refused, superseded")
    .option("--limit <n>", "rows (default: 20)", parseLimit)
    .action(async (options) =>
      done(await (await import("./commands/policy-versions.ts")).list(context, { ...plan.opts(), ...options })),
    );
  withConnection(plan.command("show [version]"))
    .description("one version, by default the one that waits, and what it would do; exit 1 while it waits")
    .option("--limit <n>", "changes shown, and scopes and users of each (default: 20)", parseLimit)
    .action(async (version, options) =>
      done(
        await (await import("./commands/policy-versions.ts")).show(context, { ...plan.opts(), ...options, version }),
      ),
    );
  withConnection(plan.command("approve <version>"))
    .description("put a version in force that waits, for the plan as it is shown; not by its author")
    .option("--digest <digest>", "of the plan that was reviewed; by default the one that the version shows now")
    .action(async (version, options) =>
      done(
        await (await import("./commands/policy-versions.ts")).approve(context, { ...plan.opts(), ...options, version }),
      ),
    );
  withConnection(plan.command("reject <version>"))
    .description("refuse a version that waits: the one in force stays")
    .option("--reason <text>", "why; it is kept and shown")
    .action(async (version, options) =>
      done(
        await (await import("./commands/policy-versions.ts")).reject(context, { ...plan.opts(), ...options, version }),
      ),
    );
}

function addBranchCommands(program: Command, context: CommandContext, done: Run): void {
  const refType = new Option("--ref-type <type>", "which of them, where several bear the name").choices([
    "branch",
    "bookmark",
    "topic",
  ]);
  withConnection(program.command("wait <repository> <branch>"))
    .description(
      "wait until access to a branch is what policy says; exit 0 in sync or neutral, 1 failed, diverged or held, 4 timed out or unknown",
    )
    .addOption(refType)
    .option("--revision <id>", "the head that the answer must be about (full id)")
    .option("--entitlement <name>", "the verb that the build needs")
    .option("--timeout <duration>", "how long to wait", "60s")
    .action(async (repository, branch, options) =>
      done(await (await import("./commands/wait.ts")).wait(context, { repository, branch, ...options })),
    );
  withConnection(program.command("status <repository> <branch>"))
    .description("what `wait` would answer now")
    .addOption(refType)
    .option("--revision <id>", "the head that the answer must be about (full id)")
    .option("--entitlement <name>", "the verb that the build needs")
    .action(async (repository, branch, options) =>
      done(await (await import("./commands/wait.ts")).wait(context, { repository, branch, ...options, timeout: "0s" })),
    );
  withConnection(program.command("explain <user> <entitlement> <repository> <branch>"))
    .description("may this user do that, and why: every rule considered with file and line")
    .addOption(refType)
    .option("--at <time>", "the answer as it was at that moment (RFC 3339, such as 2026-11-17T09:00:00Z)")
    .action(async (user, entitlement, repository, branch, options) =>
      done(
        await (
          await import("./commands/explain.ts")
        ).explain(context, { user, entitlement, repository, branch, ...options }),
      ),
    );
  withConnection(program.command("recheck <repository> <branch>"))
    .description("look at a branch again now")
    .addOption(refType)
    .action(async (repository, branch, options) =>
      done(await (await import("./commands/records.ts")).recheck(context, { repository, branch, ...options })),
    );
}

function addRecordCommands(program: Command, context: CommandContext, done: Run): void {
  const syncs = withConnection(program.command("syncs"))
    .description("runs, newest first")
    .option("--limit <n>", "rows", parseLimit, 20)
    .addOption(new Option("--verdict <verdict>", "of this verdict alone").choices(VERDICTS))
    .option("--repository <name>", "of this repository alone")
    .option("--branch <name>", "of this branch alone")
    .option("--endpoint <name>", "at this endpoint alone")
    .action(async (options) => done(await (await import("./commands/records.ts")).syncs(context, options)));
  withConnection(syncs.command("show <id>"))
    .description("a run: what it changed, what guards withhold, what it found otherwise")
    .action(async (id, options) =>
      done(await (await import("./commands/syncs.ts")).show(context, { ...syncs.opts(), ...options, id })),
    );
  withConnection(syncs.command("approve <id>"))
    .description("let go the removals that guards withhold in a run, as it shows them")
    .option("--digest <digest>", "the digest that was reviewed; by default the one that the run has now")
    .action(async (id, options) =>
      done(await (await import("./commands/syncs.ts")).approve(context, { ...syncs.opts(), ...options, id })),
    );
  withConnection(program.command("deliveries"))
    .description("what the sources sent, newest first")
    .option("--limit <n>", "rows", parseLimit, 20)
    .action(async (options) => done(await (await import("./commands/records.ts")).deliveries(context, options)));
  withConnection(program.command("replay <delivery>"))
    .description("apply a stored delivery again: what is older than what is known since changes nothing")
    .action(async (id, options) =>
      done(await (await import("./commands/records.ts")).replay(context, { id, ...options })),
    );
}

function addGroupCommands(program: Command, context: CommandContext, done: Run): void {
  const groups = program.command("groups").description("what the groups of the policy mean");
  withConnection(groups.command("list"))
    .description("which directory group each is bound to")
    .action(async (options) => done(await (await import("./commands/groups.ts")).list(context, options)));
  withConnection(groups.command("bind <name> <id>"))
    .description("bind a group of the policy (engineering, okta/engineering) to the directory group with this SCIM id")
    .action(async (name, id, options) =>
      done(await (await import("./commands/groups.ts")).bind(context, { name, id, ...options })),
    );
}

function addEndpointCommands(program: Command, context: CommandContext, done: Run): void {
  const endpoints = program.command("endpoints").description("where access is enforced");
  withConnection(endpoints.command("list", { isDefault: true }))
    .description("how each stands: scopes by verdict, breaker, calls at once")
    .action(async (options) => done(await (await import("./commands/endpoints.ts")).list(context, options)));
  withConnection(endpoints.command("accounts <name> [decision] [user]"))
    .description("who is whom at an endpoint; approve or reject an account that was found by its name")
    .addOption(new Option("--state <state>", "those that stand so").choices(ACCOUNT_STATES))
    .action(async (name, decision, user, options) =>
      done(await (await import("./commands/endpoints.ts")).accounts(context, { name, decision, user, ...options })),
    );
  withConnection(endpoints.command("retire <name>"))
    .description(RETIRE_TEXT)
    .option("--leave", "leave the groups there as they are, and forget them")
    .option("--undo", "use the endpoint again")
    .action(async (name, options) =>
      done(await (await import("./commands/endpoints.ts")).retire(context, { name, ...options })),
    );
}

const RETIRE_TEXT =
  "give an endpoint up before it leaves the configuration: empty and delete our groups there, telling how far it is";

const VERDICTS = ["verified", "diverged", "unverifiable", "held", "failed"];
const ACCOUNT_STATES = ["linked", "pending-approval", "rejected", "missing", "ambiguous", "quarantined", "ended"];

function addTokenCommands(program: Command, context: CommandContext, done: Run): void {
  const token = program.command("token").description("bearer tokens of clients");
  withConnection(token.command("create [client]"))
    .description(
      "make a token, or for --scope agent the one-time code by which a user enrols a device; printed once, alone on stdout",
    )
    .addOption(
      new Option("--scope <scope>", "what it may do")
        .choices(["admin", "read", "status", "scim", "agent"])
        .default("scim"),
    )
    .option("--expires <days>", "days until it expires, at most 365", Number, 90)
    .option("--user <name>", "for --scope agent: whose device it is")
    .option("--device <name>", "for --scope agent: what the device is called")
    .action(async (client, options) =>
      done(await (await import("./commands/token.ts")).create(context, { client, ...options })),
    );
  withConnection(token.command("list"))
    .description("tokens with scope, expiry and last use")
    .action(async (options) => done(await (await import("./commands/token.ts")).list(context, options)));
  withConnection(token.command("rotate <id>"))
    .description("make a successor; the old one works on for an overlap")
    .option("--overlap <hours>", "hours for which both work", Number, 24)
    .action(async (id, options) =>
      done(await (await import("./commands/token.ts")).rotate(context, { id, ...options })),
    );
  withConnection(token.command("revoke <id>"))
    .description("end a token now")
    .action(async (id, options) =>
      done(await (await import("./commands/token.ts")).revoke(context, { id, ...options })),
    );
}

function addHookCommands(program: Command, context: CommandContext, done: Run): void {
  const hooks = program.command("hooks").description("hooks that tell Branchward of branch events");
  for (const action of ["install", "uninstall", "status"] as const) {
    const command = hooks
      .command(`${action} [path]`)
      .description(HOOK_TEXT[action])
      .option("--client", "a working copy: checkouts (the default)")
      .option("--server", "a repository that is pushed to: creates, renames, deletes, pushes")
      .option("--global", "every repository of this user")
      .option("--json", "JSON on stdout");
    if (action === "install") {
      command
        .option("--enforce", "have the hooks of a server decide pushes, too; refused is what cannot be decided")
        .option("--url <url>", "address of Branchward (BRANCHWARD_URL; default http://127.0.0.1:8787)")
        .option("--source <name>", "the configured source of type agent", "agents")
        .option("--secret-file <file>", "file with the source's secret (else BRANCHWARD_AGENT_SECRET)")
        .option("--repository <name>", "how Branchward names the repository (default: from its remote or path)")
        .option("--token-file <file>", "with --enforce: file with a token of scope agent (else BRANCHWARD_TOKEN)")
        .option(
          "--user-from <sources>",
          "with --enforce: who pushes, the first that is set of env:NAME, login, for hg url",
        )
        .option("--on-unavailable <modes>", "with --enforce: without an answer, as in push=last-known:15m,delete=deny")
        .option("--timeout <duration>", "with --enforce: how long to wait for the answer (default: 2s)");
    }
    if (action === "uninstall") command.option("--enforce", "only no longer decide pushes; the hooks go on telling");
    command.action(async (path, options) =>
      done(await (await import("./commands/hooks.ts")).hooks(context, { action, path, ...options })),
    );
  }
  addEnrollCommand(hooks, context, done);
}

function addEnrollCommand(hooks: Command, context: CommandContext, done: Run): void {
  withConnection(hooks.command("enroll"))
    .description("make this device yours by a one-time code (--code-file, BRANCHWARD_ENROLMENT_CODE, or typed)")
    .option("--name <device>", "what the device is called (default: this machine's name)")
    .option("--code-file <file>", "file with the code; - is stdin")
    .option("--user <name>", "make the code too, for this user: needs an admin's token")
    .action(async (options) => done(await (await import("./commands/enroll.ts")).enroll(context, options)));
}

function addBridgeCommands(program: Command, context: CommandContext, done: Run): void {
  const bridge = program.command("bridge").description("SCIM in front of a native system, next to which it runs");
  for (const kind of ["mercurial", "gitolite", "phabricator"] as const) {
    bridge
      .command(kind)
      .description(BRIDGE_TEXT[kind])
      .requiredOption("--config <file>", "bridge.yaml")
      .option("--rebuild", "make the bridge's state anew from the native files, also where there is one")
      .action(async (options) =>
        done(await (await import("./commands/bridge.ts")).bridge(context, { kind, ...options })),
      );
  }
}

const BRIDGE_TEXT = {
  mercurial: "accounts, groups and branch rules of a Mercurial host",
  gitolite: "keys, groups and branch rules of a gitolite host",
  phabricator: "accounts, projects and push rules of a Phabricator or Phorge server",
} as const;

const HOOK_TEXT = {
  install: "install hooks; existing ones are chained to, and nothing slows or fails the user's command",
  uninstall: "remove what install put there and restore what it moved aside",
  status: "what is installed, what waits to be sent, and how the last sending went",
} as const;
