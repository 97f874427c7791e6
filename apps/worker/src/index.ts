export type { Endpoint } from "./endpoint/endpoint.ts";
export { startWorker, type WorkerDeps } from "./start-worker.ts";
