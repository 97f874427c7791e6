export { type ApprovalRequest, type ApproveDeps, approveSync } from "./approve-sync.ts";
export { type ApiDeps, createApp, createHealthApp } from "./app.ts";
