export { spawnGuarded, type GuardedCommand } from "./guarded-process.ts";
export { findFreePort, type PostgresLog } from "./server.ts";
export {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from "./start-embedded-postgres.ts";
