/** What the api says and takes, as zod contracts: shared by the api, the CLI and the dashboard. */
export { access, type Access, accessQuery } from "./access.ts";
export { type BranchDetails, branchDetails, type BranchItem, branchItem, branchQuery, scopeItem } from "./branches.ts";
export { idParams, page, pageQuery, problem, refType, timestamp, verdict } from "./common.ts";
export { type DeliveryDetails, deliveryDetails, type DeliveryItem, deliveryItem } from "./deliveries.ts";
export { bindingBody, type BindingItem, bindingItem } from "./groups.ts";
export {
  type FindingItem,
  findingItem,
  livez,
  policyDetails,
  policyVersionItem,
  type Readyz,
  readyz,
} from "./records.ts";
export { MAX_WAIT_MS, type SyncStatus, syncStatus, syncStatusQuery } from "./sync-status.ts";
export {
  recheckAnswer,
  recheckBody,
  type SyncDetails,
  syncDetails,
  type SyncItem,
  syncItem,
  syncQuery,
} from "./syncs.ts";
export { rotateBody, tokenBody, type TokenItem, tokenItem, type TokenMade, tokenMade, tokenScope } from "./tokens.ts";
