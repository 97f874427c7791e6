/** Who may ask: the admin by the kept token, the worker by its own, everybody else by a token of the record. */
import { join } from "node:path";
import {
  type Authenticator,
  createAuthenticator,
  type Environment,
  type Logger,
  type Principal,
} from "@branchward/runtime";
import {
  createTokenSecret,
  type Database,
  type EnrolledAgent,
  findAgent,
  findLiveSession,
  findLiveToken,
  touchToken,
} from "@branchward/store";
import { keepSecret } from "./secrets.ts";

const INTERNAL: Principal = { client: "branchward", scope: "admin", tokenId: null, internal: true };
const ADMIN: Principal = { client: "admin", scope: "admin", tokenId: null, internal: false };

export interface TokenCheckOptions {
  readonly db: Database;
  readonly log: Logger;
  readonly adminToken: string;
  readonly internalToken: string;
}

export function createTokenCheck({ db, log, adminToken, internalToken }: TokenCheckOptions): Authenticator {
  return createAuthenticator({
    staticTokens: [
      { secret: adminToken, principal: ADMIN },
      { secret: internalToken, principal: INTERNAL },
    ],
    findToken: (secret) => findLiveToken(db, secret),
    findSession: (secret) => findLiveSession(db, secret),
    onUse(id) {
      touchToken(db, id).catch((error: unknown) => log.warn({ err: error }, "token use not noted"));
    },
    now: Date.now,
  });
}

/** Whose device a token is, asked of the record each time: one that was revoked starts nothing any more. */
export function createAgentCheck(db: Database, log: Logger): (secret: string) => Promise<EnrolledAgent | undefined> {
  return async (secret) => {
    const agent = await findAgent(db, secret);
    if (agent !== undefined) {
      touchToken(db, agent.tokenId).catch((error: unknown) => log.warn({ err: error }, "token use not noted"));
    }
    return agent;
  };
}

export interface KeptToken {
  readonly secret: string;
  /** True at the one start that made it. */
  readonly made: boolean;
  /** Null where the environment gave it. */
  readonly file: string | null;
}

/** The admin token: given, or made once and kept 0600 in the data directory. */
export async function keepAdminToken({ adminToken, dataDir }: Environment): Promise<KeptToken> {
  if (adminToken !== undefined) return { secret: adminToken, made: false, file: null };
  const file = join(dataDir, "admin-token");
  return { ...(await keepSecret(file, () => createTokenSecret("admin"))), file };
}
