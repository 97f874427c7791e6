export type { Endpoint } from "./endpoint/endpoint.ts";
export { activatePolicy, type ActivateDeps, type ProposedPolicy } from "./policy/activate-policy.ts";
export { startWorker, type WorkerDeps } from "./start-worker.ts";
