/** What the api says and takes, as zod contracts: shared by the api, the CLI and the dashboard. */
export { access, type Access, accessDecisions, accessDecisionsBody, accessQuery } from "./access.ts";
export {
  type BranchDetails,
  branchDetails,
  type BranchEventItem,
  type BranchItem,
  branchItem,
  branchQuery,
  type CheckoutItem,
  type EntitlementItem,
  type ScopeItem,
  scopeItem,
} from "./branches.ts";
export { idParams, page, pageQuery, problem, refType, timestamp, verdict } from "./common.ts";
export {
  type DeliveryDetails,
  deliveryDetails,
  type DeliveryItem,
  deliveryItem,
  deliveryQuery,
  type ReplayAnswer,
  replayAnswer,
  replayBody,
  type ReplayItem,
} from "./deliveries.ts";
export {
  accountDecisionBody,
  type AccountItem,
  accountItem,
  accountQuery,
  type EndpointItem,
  endpointItem,
  endpointList,
  retirementBody,
} from "./endpoints.ts";
export { eventsQuery, type LiveEvent, liveEvent } from "./events.ts";
export { grantBody, type GrantItem, grantItem, grantQuery } from "./grants.ts";
export { bindingBody, type BindingItem, bindingItem } from "./groups.ts";
export { holdBody, type HoldItem, holdItem, holdQuery } from "./holds.ts";
export { linkBody, type LinkItem, linkItem, linkKey, linkQuery } from "./links.ts";
export type { MemberReason, SyncMember } from "./members.ts";
export {
  approveVersionBody,
  policyBody,
  policyDetails,
  type PolicyPlanDocument,
  policyPlanDocument,
  type PolicyPlanSummary,
  policyPlanSummary,
  type PolicyVersionItem,
  policyVersionDetails,
  policyVersionItem,
  type ProposedVersion,
  proposedVersion,
  rejectVersionBody,
} from "./policy.ts";
export {
  type FindingItem,
  findingItem,
  livez,
  type Readyz,
  readyz,
  type RevocationItem,
  revocationItem,
} from "./records.ts";
export { type RepositoryItem, repositoryItem, repositoryQuery } from "./repositories.ts";
export { type Session, session, sessionBody } from "./sessions.ts";
export { MAX_WAIT_MS, type SyncStatus, syncStatus, syncStatusQuery } from "./sync-status.ts";
export {
  approveAnswer,
  approveBody,
  type GroupDiff,
  recheckAnswer,
  recheckBody,
  type SyncCall,
  type SyncDetails,
  syncDetails,
  type SyncItem,
  syncItem,
  syncQuery,
  type SyncTimeline,
} from "./syncs.ts";
export {
  type DeviceEnrolled,
  deviceEnrolled,
  enrolmentBody,
  type EnrolmentMade,
  enrolmentMade,
  redeemBody,
  rotateBody,
  tokenBody,
  type TokenItem,
  tokenItem,
  type TokenMade,
  tokenMade,
  tokenScope,
} from "./tokens.ts";
