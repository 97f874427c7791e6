/** A bridge in this process, and requests to it. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Bridge, loadBridgeConfiguration, startBridge } from "@branchward/bridge";
import { z } from "zod";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
export const ENTITLEMENT = "urn:branchward:scim:schemas:extension:1.0:BranchEntitlement";
export const SSH_KEYS = "urn:branchward:scim:schemas:extension:1.0:SshKeys";

/** Tests say themselves when the native system is looked at: else it is mended behind their backs. */
const NEVER_MS = 3_600_000;

export interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

export interface BridgeUnderTest extends AsyncDisposable {
  readonly bridge: Bridge;
  readonly token: string;
  request(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Resolves with the id. @throws unless it is 201 */
  addUser(userName: string, more?: Readonly<Record<string, unknown>>): Promise<string>;
  addGroup(displayName: string, members?: readonly string[], more?: Readonly<Record<string, unknown>>): Promise<string>;
  /** An entitlement group; resolves with its id. */
  govern(target: Governed, members: readonly string[]): Promise<string>;
  patch(path: string, ...operations: readonly object[]): Promise<Answer>;
}

export interface Governed {
  readonly repository: string;
  readonly branch: string;
  readonly refType?: "branch" | "bookmark";
  readonly entitlement?: string;
  readonly vcs?: "hg" | "git";
}

/** The body of an entitlement group, as Branchward's worker sends it. */
export function entitlementBody(target: Governed, members: readonly string[]): Record<string, unknown> {
  const { repository, branch, refType = "branch", entitlement = "push", vcs = "hg" } = target;
  const incarnation = randomBytes(8).toString("hex");
  return {
    schemas: [GROUP, ENTITLEMENT],
    displayName: `${repository}:${branch}:${entitlement} ~${incarnation}`,
    externalId: `branchward:${incarnation}:${entitlement}`,
    [ENTITLEMENT]: { repository, branch, refType, entitlement, incarnation, vcs },
    members: members.map((value) => ({ value })),
  };
}

export interface StartOptions {
  /** Where bridge.yaml, the token and the state go. */
  readonly directory: string;
  /** The section of the native system, as YAML. */
  readonly section: string;
  readonly isRebuild?: boolean;
}

/** Starts a bridge on a free port. */
export async function startTestBridge({
  directory,
  section,
  isRebuild = false,
}: StartOptions): Promise<BridgeUnderTest> {
  const token = randomBytes(16).toString("hex");
  await writeFile(join(directory, "token"), token, { mode: 0o600 });
  const file = join(directory, "bridge.yaml");
  const head = `listen: 127.0.0.1:0\ntoken: { file: ${join(directory, "token")} }\nstate: ${join(directory, "state")}\n`;
  await writeFile(file, `${head}${section}`);
  const configuration = await loadBridgeConfiguration(file);
  const bridge = await startBridge({ configuration, env: {}, isRebuild, auditEveryMs: NEVER_MS });

  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await fetch(`${bridge.url}/scim/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/scim+json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text === "" ? {} : z.record(z.string(), z.unknown()).parse(JSON.parse(text));
    return { status: response.status, json, headers: response.headers };
  }

  async function create(path: string, body: unknown): Promise<string> {
    const { status, json } = await request("POST", path, body);
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(json)}`);
    return String(json["id"]);
  }

  return {
    bridge,
    token,
    request,
    addUser: (userName, more = {}) => create("/Users", { schemas: [USER], userName, ...more }),
    addGroup: (displayName, members = [], more = {}) =>
      create("/Groups", { schemas: [GROUP], displayName, members: members.map((value) => ({ value })), ...more }),
    govern: (target, members) => create("/Groups", entitlementBody(target, members)),
    patch: (path, ...operations) => request("PATCH", path, { schemas: [PATCH], Operations: operations }),
    [Symbol.asyncDispose]: () => bridge[Symbol.asyncDispose](),
  };
}
