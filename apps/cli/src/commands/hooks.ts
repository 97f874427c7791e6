import { join } from "node:path";
import { AppError, formatDuration } from "@branchward/core";
import {
  hooksStatus,
  type HooksReport,
  installHooks,
  type InstallReport,
  isEnrolled,
  uninstallHooks,
  type UninstallReport,
} from "@branchward/vcs/hooks";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

export interface HookOptions {
  readonly action: "install" | "uninstall" | "status";
  readonly path?: string;
  readonly client?: boolean;
  readonly server?: boolean;
  readonly global?: boolean;
  readonly url?: string;
  readonly source?: string;
  readonly secretFile?: string;
  readonly repository?: string;
  readonly enforce?: boolean;
  readonly onUnavailable?: string;
  readonly userFrom?: string;
  readonly tokenFile?: string;
  readonly timeout?: string;
  readonly json?: boolean;
}

/** `branchward hooks install|uninstall|status`. */
export async function hooks(context: CommandContext, options: HookOptions): Promise<number> {
  const request = { path: options.path ?? context.cwd, role: toRole(options), env: context.env } as const;
  try {
    switch (options.action) {
      case "install":
        return show(context, options, describeInstall(await install(context, options, request)));
      case "uninstall":
        return show(
          context,
          options,
          describeUninstall(await uninstallHooks({ ...request, enforce: options.enforce === true }), options),
        );
      case "status":
        return show(context, options, describeStatus(await hooksStatus(request)));
    }
  } catch (error) {
    if (error instanceof AppError) throw new CommandError(EXIT.usage, error.message);
    throw error;
  }
}

type Request = Parameters<typeof hooksStatus>[0];

function toRole({ client, server, global: isGlobal }: HookOptions): Request["role"] {
  const roles = [client === true && "client", server === true && "server", isGlobal === true && "global"] as const;
  const given = roles.filter((role) => role !== false);
  if (given.length > 1) throw new CommandError(EXIT.usage, "give one of --client, --server and --global");
  return given[0] ?? "client";
}

function install(context: CommandContext, options: HookOptions, request: Request): Promise<InstallReport> {
  const secret = context.env["BRANCHWARD_AGENT_SECRET"] ?? null;
  const url = options.url ?? (context.env["BRANCHWARD_URL"] || "http://127.0.0.1:8787");
  const isProvedByToken = request.role !== "server" && URL.canParse(url) && isEnrolled(context.env, url);
  if (options.secretFile === undefined && secret === null && !isProvedByToken) {
    const kept = join(context.checkoutDir, ".branchward", "agent-secret");
    throw new CommandError(
      EXIT.usage,
      `the source's secret is missing: give --secret-file (npm start keeps the example's in ${kept}) set BRANCHWARD_AGENT_SECRET, or enrol this device (branchward hooks enroll)`,
    );
  }
  return installHooks({
    ...request,
    url,
    source: options.source ?? "agents",
    secretFile: options.secretFile ?? null,
    secret,
    repository: options.repository ?? null,
    nodePath: process.execPath,
    ...toEnforce(context, options),
  });
}

function toEnforce(
  { env }: CommandContext,
  options: HookOptions,
): Pick<Parameters<typeof installHooks>[0], "enforce"> | undefined {
  const { enforce, onUnavailable = null, userFrom = null, tokenFile = null, timeout = null } = options;
  if (enforce === true) {
    return { enforce: { onUnavailable, userFrom, tokenFile, timeout, token: env["BRANCHWARD_TOKEN"] || null } };
  }
  if ([onUnavailable, userFrom, tokenFile, timeout].every((given) => given === null)) return undefined;
  throw new CommandError(
    EXIT.usage,
    "--on-unavailable, --user-from, --token-file and --timeout are for hooks that decide: add --enforce",
  );
}

interface Shown {
  readonly report: unknown;
  readonly lines: readonly string[];
}

function show(context: CommandContext, { json }: HookOptions, { report, lines }: Shown): number {
  if (json === true) writeJson(context, report);
  else for (const line of lines) writeLine(context.stdout, line);
  return EXIT.ok;
}

function describeInstall(report: InstallReport): Shown {
  const name = report.repository === null ? [] : [`repository ${report.repository}`];
  return { report, lines: [...name, ...describeStatus(report).lines, ...report.notes] };
}

function describeUninstall(report: UninstallReport, { enforce }: HookOptions): Shown {
  const left = report.pending === 0 ? [] : [`${report.pending} events were not sent; the next installation sends them`];
  const removed =
    enforce === true ? "the hooks decide no more, and go on telling" : "hooks removed; what was there before is back";
  return { report, lines: [removed, ...left] };
}

const CONDITION_TEXT = {
  installed: "installed",
  chained: "installed, and what was there before runs after it",
  stale: "installed by another version; install again",
  foreign: "not ours",
  missing: "not installed",
} as const;

function describeStatus(report: HooksReport): Shown {
  const hookLines = report.hooks.map((hook) => `${hook.name}: ${CONDITION_TEXT[hook.condition]}`);
  const sent =
    report.lastSend === null
      ? "nothing was sent yet"
      : `last sent ${report.lastSend.at.toISOString()}: ${report.lastSend.message}`;
  const waiting =
    report.pending.count === 0
      ? "nothing waits"
      : `${report.pending.count} wait to be sent, the oldest for ${Math.round((report.pending.oldestAgeMs ?? 0) / 1000)} s`;
  const target =
    report.connection === null ? [] : [`sends to ${report.connection.url}/hooks/${report.connection.source}`];
  const node =
    report.connection !== null && !report.hasNode ? ["the Node that the hooks start is gone; install again"] : [];
  const { device } = report;
  const proof = device === null ? [] : [`checkouts are told as ${device.user}, by the token of ${device.device}`];
  const refused = report.refused === 0 ? [] : [`${report.refused} were refused; see ${join(report.home, "refused")}`];
  return {
    report,
    lines: [...hookLines, ...target, ...proof, ...describeEnforcement(report), ...node, sent, waiting, ...refused],
  };
}

function describeEnforcement({ enforce }: HooksReport): readonly string[] {
  if (enforce === null) return [];
  const modes = Object.entries(enforce.lastKnownMs).map(([verb, ageMs]) =>
    ageMs === 0 ? `${verb} denied` : `${verb} by the last answer of ${formatDuration(ageMs)}`,
  );
  return [
    `decides pushes; who pushes: ${enforce.userFrom.join(", ")}`,
    `without an answer within ${formatDuration(enforce.timeoutMs)}: ${modes.join(", ")}`,
  ];
}
