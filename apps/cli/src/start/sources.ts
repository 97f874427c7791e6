import type { Configuration } from "@branchward/core";
import type { Source } from "@branchward/receiver";
import { resolveSecrets } from "@branchward/runtime";
import type { JoinedSources } from "@branchward/store";
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

/** The sources that share a repository of this name; a source alone by itself (rule A2). */
export function joinSources(configuration: Configuration): JoinedSources {
  return (source, name) => {
    const entry = configuration.repositories.find((one) => one.name === name && one.sources.includes(source));
    return entry?.sources ?? [source];
  };
}

/** Whether the refs that a source tells of a repository count (rule A2). */
export function isAuthority(configuration: Configuration): (source: string, repository: string) => boolean {
  return (source, repository) => {
    const entry = configuration.repositories.find((one) => one.name === repository && one.sources.includes(source));
    return entry === undefined || entry.authority === source;
  };
}
