/** The commands about people and what is given or suspended for a moment. */
import { type Command, Option } from "commander";
import type { CommandContext } from "./context.ts";
import { parseLimit, refTypeOption, type Run, withConnection } from "./options.ts";

/** `branchward links`. */
export function addLinkCommands(program: Command, context: CommandContext, done: Run): void {
  const links = program.command("links").description("which actors of sources are which users");
  withConnection(links.command("list"))
    .description("all links, or those of one source")
    .option("--source <name>", "of this source alone")
    .action(async (options) => done(await (await import("./commands/links.ts")).list(context, options)));
  withConnection(links.command("set <source> <actor> <user>"))
    .description("say that an actor, as the source names them, is this user of the directory")
    .action(async (source, actor, user, options) =>
      done(await (await import("./commands/links.ts")).set(context, { source, actor, user, ...options })),
    );
  withConnection(links.command("remove <source> <actor>"))
    .description("take a link back; what stands by the actor's checkouts ends")
    .action(async (source, actor, options) =>
      done(await (await import("./commands/links.ts")).remove(context, { source, actor, ...options })),
    );
}

/** `branchward grant` and `branchward hold`. */
export function addMomentCommands(program: Command, context: CommandContext, done: Run): void {
  addGrantCommands(program, context, done);
  addHoldCommands(program, context, done);
}

function addGrantCommands(program: Command, context: CommandContext, done: Run): void {
  const grant = program.command("grant").description("emergency grants: for a while, approved by another");
  withConnection(grant.command("request <user> <entitlement> <repository> <branch>", { isDefault: true }))
    .description("ask for one; the word request may be left out")
    .addOption(refTypeOption())
    .requiredOption("--for <duration>", "how long it lasts from its approval")
    .requiredOption("--reason <text>", "why; it is kept and shown")
    .action(async (user, entitlement, repository, branch, options) =>
      done(
        await (
          await import("./commands/grant.ts")
        ).request(context, { user, entitlement, repository, branch, ...options }),
      ),
    );
  withConnection(grant.command("list"))
    .description("emergency grants, newest first")
    .addOption(new Option("--state <state>", "in this state alone").choices(GRANT_STATES))
    .option("--limit <n>", "rows", parseLimit, 20)
    .action(async (options) => done(await (await import("./commands/grant.ts")).list(context, options)));
  for (const decision of ["approve", "reject", "revoke"] as const) {
    withConnection(grant.command(`${decision} <id>`))
      .description(GRANT_TEXT[decision])
      .action(async (id, options) =>
        done(await (await import("./commands/grant.ts")).decide(context, { id, decision, ...options })),
      );
  }
}

const GRANT_STATES = ["requested", "approved", "expired", "revoked", "rejected"] as const;
const GRANT_TEXT = {
  approve: "approve one: its time begins now; not by who asked or who gets it",
  reject: "reject one",
  revoke: "end one before its time, or take a request back",
} as const;

function addHoldCommands(program: Command, context: CommandContext, done: Run): void {
  const hold = program.command("hold").description("suspend repair for a while; revocations go on");
  withConnection(hold.command("make <repository> [branch]", { isDefault: true }))
    .description("hold a repository or one branch of it; the word make may be left out")
    .addOption(refTypeOption())
    .option("--endpoint <name>", "at this endpoint alone")
    .requiredOption("--for <duration>", "how long; it ends by itself")
    .requiredOption("--reason <text>", "why; it is kept and shown")
    .action(async (repository, branch, options) =>
      done(await (await import("./commands/hold.ts")).make(context, { repository, branch, ...options })),
    );
  withConnection(hold.command("list"))
    .description("holds, newest first")
    .addOption(new Option("--state <state>", "in this state alone").choices(["standing", "ended", "expired"]))
    .option("--limit <n>", "rows", parseLimit, 20)
    .action(async (options) => done(await (await import("./commands/hold.ts")).list(context, options)));
  withConnection(hold.command("end <id>"))
    .description("end one before its time; what it covered is looked at again")
    .action(async (id, options) => done(await (await import("./commands/hold.ts")).end(context, { id, ...options })));
}
