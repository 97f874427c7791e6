export {
  type AccountFinding,
  type AccountLease,
  type AccountLink,
  type AccountOutcome,
  type AccountState,
  acquireAccountLease,
  decideAdoption,
  failAccount,
  findAccountLink,
  forgetAccountLooks,
  isNameQuarantined,
  listAccountLinks,
  listAccounts,
  listAccountsToReconcile,
  listKeptAccounts,
  listTakenAccounts,
  type MissingSummary,
  noteAccount,
  renewAccountLease,
  requestAccountsOf,
  type RequestedAccount,
  requestMissingAccounts,
  saveFoundAccounts,
  settleAccount,
  type ShownAccount,
  summarizeMissingAccounts,
} from "./people/account-links.ts";
export { requestAwaitedAccounts, takeWaitingScopes } from "./people/account-waits.ts";
export { type AccessQuestion, loadAccessFacts, readClock, toDirectoryUser } from "./access/access-facts.ts";
export {
  type BranchThen,
  type EndpointThen,
  findUserIdAt,
  getLedgerStart,
  type Holding,
  listBranchesAt,
  listEndpointsAt,
  listHoldingsAt,
  listStaysAt,
  type StayThen,
  wasActiveAt,
} from "./access/access-history.ts";
export { type ActivePolicy, type ActivePolicyVersion, createActivePolicy } from "./policy/active-policy.ts";
export { insertApproval, type NewApproval, type RemovalApproval } from "./scopes/approvals.ts";
export { auditAccounts, type ListedAccount, requestUnseenAccounts } from "./endpoints/account-audits.ts";
export {
  type AuditedPage,
  type AuditRound,
  type AuditState,
  continueAudit,
  ensureAudits,
  type ExpectedGroup,
  listAuditStates,
  listDueAudits,
  listExpectedGroups,
  listScopesOfIncarnations,
  listUnseenScopes,
  saveAuditedPage,
} from "./endpoints/audits.ts";
export {
  type ActorClaim,
  type ActorResolution,
  type IdentitySource,
  matchIdentity,
  noteActor,
  type NotedResolution,
  resolveActor,
} from "./people/actors.ts";
export {
  type CheckoutEvent,
  type CheckoutMove,
  endCheckoutsOf,
  endCheckoutsOfToken,
  listLeftCheckouts,
  listOpenCheckouts,
  listStandingCheckouts,
  moveCheckout,
  moveCheckouts,
  type OpenCheckout,
  type StandingCheckout,
} from "./people/checkouts.ts";
export { connectDatabase, type Database, type DatabaseConnection, type Queryable } from "./connection/database.ts";
export {
  type BranchHistoryEvent,
  type DeliveryDetails,
  type DeliveryFilter,
  type DeliveryRow,
  findDelivery,
  insertBranchEvents,
  insertDelivery,
  listBranchHistory,
  listDeliveries,
  listDeliveriesById,
  type NewDelivery,
  type RecordedBranchEvent,
} from "./deliveries/deliveries.ts";
export {
  type GroupBinding,
  listGroupBindings,
  recordGroupIntents,
  requestNamesakes,
  forgetGroupIntent,
  type FoundGroup,
  type GroupIntent,
  noteFoundGroups,
  saveGroupBindings,
} from "./scopes/entitlement-groups.ts";
export {
  blockEndpoint,
  type BreakerState,
  claimProbe,
  closeBreaker,
  type EndpointGate,
  findEndpointGate,
  noteUnblocked,
  listEndpointGates,
  openBreaker,
  saveCallLimit,
  type ShownGate,
} from "./endpoints/endpoint-gates.ts";
export {
  findEndpointCard,
  isEndpointTried,
  findProbeGroup,
  listEndpointCards,
  listLinkedAccountIds,
  type RecordedCard,
  saveEndpointCard,
  saveProbeGroup,
} from "./endpoints/endpoint-cards.ts";
export {
  countGroupsByEndpoint,
  findRetirementMode,
  listRetiredEndpoints,
  listRetirements,
  retireEndpoint,
  type Retirement,
  type RetirementMode,
  undoRetirement,
} from "./endpoints/endpoint-retirements.ts";
export { type EndpointState, listEndpointStates } from "./endpoints/endpoint-states.ts";
export {
  type Finding,
  listFindings,
  listFindingsById,
  type NewFinding,
  raiseFinding,
  resolveFinding,
  resolveFindingBefore,
  resolveHeldFindings,
} from "./scopes/findings.ts";
export {
  type ApprovedRemoval,
  countDirectoryGroups,
  countEntitlementGroups,
  endWithheldOf,
  listApprovedRemovals,
  listHeldScopes,
  listMassDeactivations,
  listWithheldOf,
  markEnding,
  type MassDeactivation,
  saveWithheldRemovals,
  type WithheldRemoval,
} from "./scopes/guards.ts";
export {
  approveGrant,
  expireGrants,
  expireGrantsOf,
  findGrant,
  type GrantFilter,
  type GrantRow,
  type GrantState,
  insertGrant,
  listEmergencies,
  listGrants,
  lockGrant,
  moveGrants,
  type NewGrant,
  rejectGrant,
  revokeGrant,
} from "./people/emergency-grants.ts";
export { type Enrolled, insertEnrolmentCode, type NewEnrolment, redeemEnrolmentCode } from "./people/enrolments.ts";
export {
  endHold,
  findHold,
  getHold,
  type HeldScope,
  type HoldFilter,
  type HoldRow,
  insertHold,
  listHolds,
  type NewHold,
  settleEndedHolds,
  type StandingHold,
} from "./people/holds.ts";
export {
  assignCheckouts,
  deleteLink,
  type IdentityLink,
  listLinks,
  type NewLink,
  upsertLink,
} from "./people/identity-links.ts";
export { resolveUnmentioned, saveScopeFindings, settleScopeFindings } from "./scopes/scope-findings.ts";
export {
  type BoundRepository,
  claimLookups,
  deferLookups,
  deleteLookups,
  limitHost,
  listBindings,
  listDueLookups,
  requestLookup,
  requestSuspectLookups,
} from "./branches/branch-lookups.ts";
export { findHead, type HeadRequest } from "./branches/heads.ts";
export {
  type BranchFilter,
  type BranchRow,
  findBranch,
  listBornOrEndedSince,
  listBranches,
  listBranchesById,
  listBranchesNamed,
  listIncarnationsOf,
  listLiveBranches,
  listLiveBranchesOf,
  listLiveByNames,
  saveIncarnations,
} from "./branches/incarnations.ts";
export { breakLineage, type LineageBreak, mendLineage, settleLineageBreaks } from "./branches/lineage-breaks.ts";
export { lockCursor, saveCursor } from "./cursors.ts";
export {
  endLedgerOf,
  endMemberships,
  findMemberships,
  type HeldMembership,
  type KnownMembership,
  type LedgerChanges,
  type LedgerOpening,
  type LedgerOrigin,
  listHeldBy,
  listOpenEntries,
  openLedgerEntries,
  type OpenEntry,
  settleLedgerEntries,
} from "./scopes/ledger.ts";
export {
  type ChangeCursor,
  type DirectoryChange,
  type FormerValues,
  DIRECTORY_CURSOR,
  hasDirectoryChanges,
  listDirectoryChanges,
  listEndedUsers,
  type RecordedChange,
} from "./directory/changes.ts";
export {
  adoptResources,
  type ClientTraffic,
  type DirectoryClient,
  findClientDialect,
  getCursorKey,
  listDirectoryClients,
  raiseTokenFindings,
  recordClientTraffic,
} from "./directory/clients.ts";
export type { DirectoryContext } from "./directory/context.ts";
export { parseFence } from "./directory/fence.ts";
export { INACTIVE_MEMBER } from "./directory/groups.ts";
export { createDirectory } from "./directory/directory.ts";
export { findGroup, findUserByUserName, listUsersById } from "./directory/read.ts";
export {
  findLivePosition,
  isBeyond,
  type LivePosition,
  type LiveRow,
  type LiveRowType,
  listLiveRows,
} from "./live-rows.ts";
export {
  type BranchName,
  lockGuards,
  lockPairings,
  lockPolicy,
  lockPolicyAndNames,
  lockPolicyShared,
} from "./locks.ts";
export type { MemberSet, SyncMember } from "./scopes/member-sets.ts";
export { listPendingMigrations, type MigrateOptions, migrateStore } from "./migrate.ts";
export {
  type Channel,
  createNotifier,
  type Notifications,
  type Notifier,
  notify,
  openNotifications,
} from "./connection/notifications.ts";
export {
  bindReference,
  bindReferences,
  keepLastMembers,
  listGroupClients,
  listPolicyBindings,
  listReferencesBoundTo,
  listReferencesReaching,
  noteLostGroup,
  noteLostGroups,
  type PolicyBinding,
  resolveReferences,
} from "./policy/policy-bindings.ts";
export { type AskedScope, type BranchRequest, requestBranches } from "./branches/request-branches.ts";
export { findRest } from "./branches/rests.ts";
export { ensurePolicyScopes, listPolicyEndpoints, type ScopeMaking } from "./policy/policy-scopes.ts";
export { approvePolicy, type PolicyApproval, rejectPolicy } from "./policy/decide-policy.ts";
export type { PlannedBinding } from "./policy-plan/load-plan-facts.ts";
export { type MadePolicyPlan, makePolicyPlan } from "./policy-plan/make-policy-plan.ts";
export { type PolicyPlanSummary, summarizePlan } from "./policy-plan/summarize-plan.ts";
export { type ProposalOutcome, type ProposedPolicy, proposePolicy } from "./policy/propose-policy.ts";
export {
  findActivePolicyVersion,
  findActivePolicyVersionId,
  findPolicyVersion,
  findPolicyVersionAt,
  listPolicyVersions,
  listRecentAuthors,
  type PolicyVersion,
  type PolicyVersionState,
} from "./policy/policy-versions.ts";
export {
  findReplay,
  hasCheckoutSince,
  insertReplay,
  findLastDeliverySeq,
  listNamesChangedSince,
  listReplays,
  type Replay,
  setDeliveryOutcome,
  setReplayScopes,
} from "./deliveries/replays.ts";
export {
  type ClaimedRepository,
  findAuthority,
  listOutnamed,
  listRepositories,
  listRepositoriesByName,
  type Repository,
  type RepositoryFilter,
  type RepositoryRow,
  resolveRepository,
} from "./branches/repositories.ts";
export {
  findOpenRevocation,
  listDueRevocations,
  listRevocations,
  nameRevoked,
  requestExpiredRevocation,
  requestRevocations,
  type Revocation,
  type RevocationKind,
  type RevocationOutcome,
  type RevocationRequest,
  settleRevocation,
  wakeRevocations,
} from "./scopes/revocations.ts";
export {
  acquireLease,
  type Due,
  getLeaseRemaining,
  type Lease,
  type LeaseRequest,
  releaseLease,
  renewLease,
  type ScopeOutcome,
  seizeLease,
  settleScope,
  verifyAgain,
} from "./scopes/leases.ts";
export {
  ensureScopes,
  type DueScope,
  listScopesById,
  listScopesOf,
  listUnreconciled,
  type RequestedScope,
  requestDueScope,
  requestDueScopes,
  requestScopes,
  requestScopesOf,
  requestWhole,
  requestStaleScopesOf,
  type ScopeState,
} from "./scopes/scopes.ts";
export {
  isReferenceIndexOf,
  describeScopes,
  listScopesBeginning,
  listScopesGrantedTo,
  listScopesMentioning,
  listScopesStoodOn,
  listUnindexedScopes,
  markReferencesStale,
  mentionsOf,
  type NamedScope,
  renewScopeReferences,
} from "./scopes/scope-references.ts";
export { listMergedScopes, type MergedScope } from "./scopes/merged-scopes.ts";
export { deleteSession, findLiveSession, insertSession, type NewSession, type Session } from "./tokens/sessions.ts";
export {
  countDriftSince,
  findLatestPlan,
  findSync,
  type GuardedPlan,
  insertSync,
  listSyncs,
  listSyncsById,
  type NewSync,
  type OverLimit,
  type SyncCall,
  type SyncChange,
  type SyncDetails,
  type SyncFilter,
  type SyncPhase,
  type SyncRow,
  type WithheldMember,
} from "./scopes/syncs.ts";
export type { DueReason, TokenScope } from "./tables.ts";
export {
  createTokenSecret,
  type EnrolledAgent,
  expireTokenBy,
  findAgent,
  findAgentById,
  findLiveToken,
  findToken,
  insertToken,
  listTokens,
  type NewToken,
  revokeToken,
  type Token,
  touchToken,
} from "./tokens/tokens.ts";
export { findAskedBranches, type AskedBranch, type AskedBranches } from "./branches/asked-branches.ts";
export {
  loadUserAccessFacts,
  NO_BRANCH_FACTS,
  type UserAccessFacts,
  type UserAccessQuestion,
  type UserBranchFacts,
} from "./access/user-access-facts.ts";
export { addStrictName, listStrictNames, narrowByRenaming } from "./scopes/strict-names.ts";
export { readSnapshot, transact } from "./connection/transact.ts";
