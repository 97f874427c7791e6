export { openEndpoints } from "./endpoint/open-endpoints.ts";
export { startWorker, type WorkerDeps } from "./start-worker.ts";
