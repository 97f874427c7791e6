import { resolve } from "node:path";
import { resolveAccount } from "./account.ts";
import { getPlatformPackage, placeBinaries } from "./binaries.ts";
import { clusterDatabase, clusterUser, openCluster } from "./cluster.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import { endLeftovers } from "./leftovers.ts";
import { findClusterOwner, openDataDir, placeCluster, systemDir } from "./placement.ts";
import { startServer, type PostgresLog } from "./server.ts";

/** What to start. */
export interface EmbeddedPostgresOptions {
  /** Made where missing, mode 0700, and locked while the server runs. Holds the cluster or a symbolic link to it, and its password. */
  readonly dataDir: string;
  readonly log: PostgresLog;
  /** Settings of PostgreSQL over the built-in ones. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A PostgreSQL of this process's own. Disposing it stops the server and frees the data directory; so does the end of the process. */
export interface EmbeddedPostgres {
  /** Superuser's URL, with the password, on 127.0.0.1. */
  readonly url: string;
  readonly port: number;
  /** The server's pid. */
  readonly pid: number;
  readonly clusterDir: string;
  /** What the operator should know: sentences, without secrets. */
  readonly notes: readonly string[];
  /** Resolves when the server has ended, asked or not, with how. */
  readonly ended: Promise<string>;
}

/**
 * Starts PostgreSQL on a data directory, after making its cluster the first time and clearing up after a killed predecessor.
 * @throws AppError `data_dir_in_use`, `data_dir_unusable`, `postgres_cluster_unusable`, `postgres_no_account`, `postgres_not_started`,
 * `postgres_unsupported`; each message names the fix.
 */
export async function startEmbeddedPostgres({
  dataDir: requestedDir,
  log,
  settings = {},
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres & AsyncDisposable> {
  const dataDir = await openDataDir(resolve(requestedDir));
  await using stack = new AsyncDisposableStack();
  stack.use(await lockDataDir(dataDir.path));
  const account = await resolveAccount(await findClusterOwner(dataDir));
  const { clusterDir, notes } = await placeCluster(dataDir, account);
  const copyParent = account.ids === null ? dataDir.path : systemDir;
  const binaries = await placeBinaries(account, await getPlatformPackage(), copyParent);
  await endLeftovers(clusterDir);
  const { password } = await openCluster({ binaries, account, dataDir: dataDir.path, clusterDir });
  const server = stack.use(await startServer({ postgres: binaries.postgres, account, clusterDir, settings, log }));
  const held = stack.move();
  return {
    url: `postgres://${clusterUser}:${password}@127.0.0.1:${server.port}/${clusterDatabase}`,
    port: server.port,
    pid: server.pid,
    clusterDir,
    notes: [
      ...(account.ids === null ? [] : [`PostgreSQL runs as ${account.name}, since it refuses to run as root.`]),
      ...(binaries.copiedTo === null ? [] : [`PostgreSQL's programs run from a copy in ${binaries.copiedTo}.`]),
      ...notes,
    ],
    ended: server.ended,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
