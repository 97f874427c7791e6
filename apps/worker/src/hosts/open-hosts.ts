/** From configuration to hosts that can be asked: address guard, credentials, client. */
import { hasAskableHost, type SourceConfiguration } from "@branchward/core";
import type { Database } from "@branchward/store";
import { createGithubHost, type SourceHost } from "@branchward/vcs/lookup";
import { openCredentials } from "../endpoint/credentials.ts";
import { createSecretWatch } from "../endpoint/secret-watch.ts";
import { openHostFetch } from "./host-fetch.ts";

/** A source whose host can be asked. */
export interface AskableSource extends Pick<SourceConfiguration, "name" | "may" | "requireTrust"> {
  readonly host: SourceHost;
}

export interface OpenedHosts extends AsyncDisposable {
  /** By the name of the source. */
  readonly hosts: ReadonlyMap<string, AskableSource>;
}

export interface HostSources {
  readonly db: Database;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const GITHUB_URL = "https://api.github.com";

/**
 * Opens the hosts of the sources that have `api` and may tell of refs; nothing is sent yet.
 * @throws {ConfigurationError} naming a secret that is not there
 */
export async function openHosts(
  sources: readonly SourceConfiguration[],
  { db, env }: HostSources,
): Promise<OpenedHosts> {
  await using stack = new AsyncDisposableStack();
  const hosts = new Map<string, AskableSource>();
  for (const source of sources) {
    const { name, api, may, requireTrust } = source;
    if (api === null || !hasAskableHost(source)) continue;
    const where = `source ${name}: api`;
    const credentials = await openCredentials({
      references: api.token,
      env,
      where,
      now: () => performance.now(),
      onUnread: createSecretWatch(db, where),
    });
    const url = api.url ?? GITHUB_URL;
    const connection = stack.use(openHostFetch({ url, allow: api.allow }));
    const host = createGithubHost({
      url,
      token: () => credentials.current(),
      nextToken: (tried) => credentials.next(tried),
      fetch: connection.fetch,
      // eslint-disable-next-line no-restricted-properties -- compared with the times that the host tells, and no other
      now: () => Date.now(),
    });
    hosts.set(name, { name, may, requireTrust, host });
  }
  const held = stack.move();
  return { hosts, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
