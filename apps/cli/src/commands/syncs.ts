import { approveAnswer, approveBody, type SyncDetails, syncDetails } from "@branchward/core/api";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface SyncOptions extends ConnectionOptions {
  readonly id: string;
  readonly json?: boolean;
}

/** `branchward syncs show`. */
export async function show(context: CommandContext, options: SyncOptions): Promise<number> {
  const api = await connectApi(context, options);
  const sync = await api.get(`/v1/syncs/${encodeURIComponent(options.id)}`, syncDetails);
  if (options.json === true) writeJson(context, sync);
  else for (const line of tell(sync)) writeLine(context.stdout, line);
  return EXIT.ok;
}

/** `branchward syncs approve`: binds the approval to what the run shows. */
export async function approve(
  context: CommandContext,
  options: SyncOptions & { readonly digest?: string },
): Promise<number> {
  const api = await connectApi(context, options);
  const path = `/v1/syncs/${encodeURIComponent(options.id)}`;
  const sync = await api.get(path, syncDetails);
  const digest = options.digest ?? sync.digest;
  if (digest === null) {
    writeLine(context.stderr, "this run withholds nothing: there is nothing to approve");
    return EXIT.failed;
  }
  const answer = await api.post(`${path}/approve`, approveBody.parse({ digest }), approveAnswer);
  if (options.json === true) writeJson(context, { ...answer, digest, withheld: sync.withheld });
  else {
    for (const line of tellWithheld(sync)) writeLine(context.stdout, line);
    writeLine(context.stdout, `approved for 24 hours; ${answer.scopes} scopes are looked at again`);
  }
  return EXIT.ok;
}

function tell(sync: SyncDetails): readonly string[] {
  const { repository, branch, endpoint, verdict, reason, finishedAt, error, drift } = sync;
  return [
    `${repository}:${branch} @ ${endpoint}  ${verdict}  ${reason}  ${finishedAt}`,
    ...(error === null ? [] : [`  ${error.code}: ${error.message}`]),
    ...sync.changes.flatMap(({ group, added, removed }) => [
      ...added.map((member) => `  + ${group}  ${member.userName ?? member.user}  ${member.why}`),
      ...removed.map((member) => `  - ${group}  ${member.userName ?? member.user}  ${member.why}`),
    ]),
    ...(drift === 0 ? [] : [`  ${drift} members came or went without Branchward`]),
    ...tellWithheld(sync),
  ];
}

function tellWithheld({ withheld, overLimit, digest }: SyncDetails): readonly string[] {
  if (digest === null) return [];
  return [
    ...overLimit.map(({ kind, group, removed, baseline, freeAt }) =>
      kind === "deactivations"
        ? `  over the limit: ${group} deactivated ${removed} users`
        : `  over the limit: ${group} would lose ${removed}, and had ${baseline} as the window began${freeAt === undefined ? "" : `, until ${freeAt}`}`,
    ),
    ...withheld.map(
      ({ entitlement, user, userName, why }) => `  withheld: ${entitlement}  ${userName ?? user}  ${why}`,
    ),
    `  digest ${digest}`,
  ];
}
