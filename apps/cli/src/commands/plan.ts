import { ConfigurationError, parsePolicy } from "@branchward/core";
import { type PolicyPlanDocument, policyPlanDocument, proposedVersion } from "@branchward/core/api";
import { formatProblems, formatWarnings, readConfigurationText } from "@branchward/runtime";
import { type ApiClient, connectApi, type ConnectionOptions, detailOf } from "../api-client.ts";
import { findConfigurationFile, showFile } from "../configuration-file.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";
import { describePlan } from "./describe-plan.ts";

export interface PlanOptions extends ConnectionOptions {
  /** Left out: the configuration's own file. */
  readonly file?: string;
  readonly config?: string;
  readonly activate?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

/** `branchward plan`: exit 0 where nothing changes and 1 where something does; with `--activate` 0 in force, 1 held. */
export async function plan(context: CommandContext, options: PlanOptions): Promise<number> {
  const path = await findConfigurationFile(context, options.file ?? options.config);
  const policy = { file: showFile(context, path), text: await readText(path) };
  const parsed = parsePolicy(policy.text, policy.file);
  if ("problems" in parsed) throw new CommandError(EXIT.config, formatProblems(parsed.problems));
  const api = await connectApi(context, options);
  return options.activate === true
    ? activate(context, { ...options, api }, policy)
    : show(context, { ...options, api }, policy);
}

interface Asked extends PlanOptions {
  readonly api: ApiClient;
}

interface PolicyText {
  readonly file: string;
  readonly text: string;
}

async function readText(path: string): Promise<string> {
  return readConfigurationText(path).catch((error: unknown) => {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new CommandError(EXIT.config, error.message);
  });
}

async function show(context: CommandContext, { api, json, limit }: Asked, policy: PolicyText): Promise<number> {
  const document = await api.post("/v1/policy/plan", policy, policyPlanDocument);
  if (json === true) writeJson(context, document);
  else for (const line of describePlan(document, limit)) writeLine(context.stdout, line);
  return isNothing(document) ? EXIT.ok : EXIT.failed;
}

/** Also a plan that changes nobody but would be held changes something. */
function isNothing({ changed, held }: PolicyPlanDocument): boolean {
  return !changed && !held;
}

async function activate(context: CommandContext, { api, json }: Asked, policy: PolicyText): Promise<number> {
  const answer = await api.request("POST", "/v1/policy/versions", { body: policy });
  const parsed = proposedVersion.safeParse(answer.body);
  if (!parsed.success) {
    throw new CommandError(answer.status >= 500 ? EXIT.unreachable : EXIT.usage, detailOf(answer));
  }
  const { state, version, warnings } = parsed.data;
  if (json !== true) for (const line of formatWarnings(warnings)) writeLine(context.stderr, line);
  if (json === true) writeJson(context, parsed.data);
  else if (state === "held") {
    writeLine(context.stdout, `version ${version.id} waits for approval: ${version.reason ?? ""}`);
    writeLine(context.stdout, `look at it:                branchward plan show ${version.id}`);
    const approval = `branchward plan approve ${version.id} --digest ${version.planDigest ?? ""}`;
    writeLine(context.stdout, `another admin approves it: ${approval}`);
  } else {
    writeLine(context.stdout, `version ${version.id} is in force${state === "unchanged" ? " already" : ""}`);
  }
  return state === "held" ? EXIT.failed : EXIT.ok;
}
