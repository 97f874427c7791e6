/** `branchward hooks enroll`: this device becomes a user's, whose checkouts are then proved by a token (rule B6). */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { text } from "node:stream/consumers";
import { AppError } from "@branchward/core";
import { deviceEnrolled, enrolmentMade } from "@branchward/core/api";
import { saveEnrolment } from "@branchward/vcs/hooks";
import { connectApi, connectPublicly, type ConnectionOptions, findUrl } from "../api-client.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

export interface EnrollOptions extends ConnectionOptions {
  readonly name?: string;
  readonly user?: string;
  readonly codeFile?: string;
  readonly json?: boolean;
}

export async function enroll(context: CommandContext, options: EnrollOptions): Promise<number> {
  const device = options.name ?? hostname();
  const code = options.user === undefined ? await findCode(context, options) : await makeCode(context, options, device);
  const api = connectPublicly(context, options);
  const { user, secret, token } = await api.post("/v1/enrolments/redeem", { code, device }, deviceEnrolled);
  const { expiresAt } = token;
  const kept = { token: secret, user, device, expiresAt };
  const file = await saveEnrolment(context.env, findUrl(context, options), kept).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error;
    throw new CommandError(EXIT.configuration, `${error.message}; the code is used up, ask for another`);
  });
  if (options.json === true) writeJson(context, { user, device, expiresAt, file, token: token.id });
  else {
    writeLine(context.stdout, `${device} is enrolled as ${user} until ${expiresAt ?? "it is revoked"}`);
    writeLine(context.stderr, `the token is kept in ${file}, readable for you alone`);
  }
  return EXIT.ok;
}

/** An admin enrols the device at hand for a user. */
async function makeCode(context: CommandContext, options: EnrollOptions, device: string): Promise<string> {
  const api = await connectApi(context, options);
  return (await api.post("/v1/enrolments", { user: options.user, device }, enrolmentMade)).code;
}

const NO_CODE =
  "no code: ask an admin for one (branchward token create --scope agent --user YOU), then give it by --code-file (- is stdin) or BRANCHWARD_ENROLMENT_CODE";

/** The code of a file, of the environment, or as typed; never of the arguments, which every process may read. */
async function findCode({ env, stdin, stderr }: CommandContext, { codeFile }: EnrollOptions): Promise<string> {
  const isTyped = codeFile === "-" || (codeFile === undefined && !env["BRANCHWARD_ENROLMENT_CODE"] && stdin.isTTY);
  if (isTyped && stdin.isTTY) writeLine(stderr, "the one-time code that your admin gave you, then Ctrl-D:");
  const known = isTyped
    ? text(stdin)
    : codeFile === undefined
      ? env["BRANCHWARD_ENROLMENT_CODE"]
      : readCodeFile(codeFile);
  const code = (await known)?.trim() ?? "";
  if (code === "") throw new CommandError(EXIT.usage, NO_CODE);
  return code;
}

async function readCodeFile(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new CommandError(EXIT.usage, `${file} cannot be read: ${cause instanceof Error ? cause.message : ""}`);
  });
}
