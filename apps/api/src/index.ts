export { type ApprovalRequest, type ApproveDeps, approveSync } from "./approve-sync.ts";
export { findStatus } from "./sync-status/find-status.ts";
export { type ApiDeps, createApp, createHealthApp } from "./app.ts";
