import type { Configuration } from "@branchward/core";
import type { Source } from "@branchward/receiver";
import { resolveSecrets } from "@branchward/runtime";
import { decodeSecret, findReceiver } from "@branchward/vcs/receive";

/** Variables that secrets refer to. */
export type SecretEnv = Readonly<Record<string, string | undefined>>;

/** The configured sources with their secrets read. */
export async function createSources(
  configuration: Configuration,
  env: SecretEnv,
): Promise<ReadonlyMap<string, Source>> {
  const sources = new Map<string, Source>();
  for (const { name, type, secret, may, requireTrust, identity } of configuration.sources) {
    const secrets = (await resolveSecrets(secret, { env }, `source ${name}`)).map(decodeSecret);
    sources.set(name, { name, type, receiver: findReceiver(type), secrets, may, requireTrust, identity });
  }
  return sources;
}
