export { openEndpoints } from "./endpoint/open-endpoints.ts";
export type { Endpoint } from "./endpoint/endpoint.ts";
export { openHosts } from "./hosts/open-hosts.ts";
export { createProcessors, type ProcessorDeps } from "./processors.ts";
export { startWorker, type WorkerDeps } from "./start-worker.ts";
