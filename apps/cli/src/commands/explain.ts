import { type Access, access } from "@branchward/core/api";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

export interface ExplainOptions extends ConnectionOptions {
  readonly user: string;
  readonly entitlement: string;
  readonly repository: string;
  readonly branch: string;
  readonly refType?: string;
  readonly json?: boolean;
}

/** `branchward explain`: exit 0 whatever the answer, which is on stdout. */
export async function explain(context: CommandContext, options: ExplainOptions): Promise<number> {
  const api = await connectApi(context, options);
  const { user, entitlement, repository, branch, refType } = options;
  const query = new URLSearchParams({
    user,
    entitlement,
    repository,
    branch,
    ...(refType === undefined ? {} : { refType }),
  });
  const answer = await api.get(`/v1/access?${query.toString()}`, access);
  if (options.json === true) writeJson(context, answer);
  else for (const line of describe(answer)) writeLine(context.stdout, line);
  return EXIT.ok;
}

function describe(answer: Access): readonly string[] {
  const verb = answer.allowed ? "may" : "may not";
  const head = `${answer.user} ${verb} ${answer.entitlement} ${answer.repository}:${answer.branch}${answer.governed ? "" : " (not governed)"}`;
  const reasons = answer.reasons.map(({ decides, rule, file, line, text }) => {
    const place = file === null ? "" : ` (${rule ?? ""} at ${file}:${line ?? 0})`;
    return `  ${decides ? "→" : " "} ${text}${place}`;
  });
  return [head, ...reasons];
}
