import type { Processors } from "./workers.ts";

/** Processors that do nothing, for tests that look at other things or replace one of them. */
export const idle: Processors = {
  "scope.reconcile": async () => undefined,
  "account.reconcile": async () => undefined,
  "scope.wake": async () => undefined,
  "access.revoke": async () => undefined,
  "endpoint.audit": async () => undefined,
  "endpoint.probe": async () => undefined,
  "source.backfill": async () => undefined,
  "directory.changed": async () => undefined,
  "outbox.sweep": async () => undefined,
};
