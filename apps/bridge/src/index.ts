/** A SCIM 2.0 service provider in front of a native system. */
export { loadBridgeConfiguration } from "./configuration/load-bridge-configuration.ts";
export type { BridgeConfiguration } from "./configuration/types.ts";
export { type Bridge, type BridgeOptions, startBridge } from "./start-bridge.ts";
