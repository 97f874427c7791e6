export { type BackendTarget, migrateQueue, openQueueBackend, type QueueBackend } from "./backend.ts";
export { type JobName, type JobPayload, jobs, type Lane, reconcileQueue, SYSTEM_QUEUE } from "./jobs.ts";
export { type AccountRequest, createQueues, type Queues, type ReconcileRequest, type RevocationJob } from "./queues.ts";
export { type JobRun, type Processors, startWorkers, type Workers } from "./workers.ts";
