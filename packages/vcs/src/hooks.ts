export { defaultRepositoryName } from "./hooks/agent/names.js";
export { isEnrolled, saveEnrolment } from "./hooks/enrolment.ts";
export { installHooks, uninstallHooks } from "./hooks/install.ts";
export type { HooksRequest, InstallReport, InstallRequest, UninstallReport } from "./hooks/install.ts";
export type { HookCondition, HookState } from "./hooks/git-hooks.ts";
export type { SpoolState } from "./hooks/spool-state.ts";
export { hooksStatus } from "./hooks/status.ts";
export type { HooksReport } from "./hooks/status.ts";
export type { Environment, HookRole } from "./hooks/target.ts";
