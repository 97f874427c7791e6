/**
 * The domain of Branchward, pure and without I/O. Its words, used everywhere and without synonyms:
 *
 * - **source**: a configured origin of webhooks. **delivery**: one authenticated HTTP POST from a source.
 *   **branch event**: the normalised meaning of part of a delivery: `checkout | create | rename | delete | push`.
 * - **repository**: has its own id, bound to the source's native id where it gives one, else to its path; the name is a
 *   label. **branch**: repository + refType (`branch | bookmark | topic`) + exact name. **incarnation**: one life of a
 *   branch, from create to delete; it survives a rename and an hg close, and never a delete.
 * - **entitlement**: a verb on a branch: `read push create delete force merge deploy`, or any name policy introduces.
 *   **grant**: policy giving an entitlement to subjects: **standing**, or **just-in-time** (`when: checkout`).
 *   **governed**: a verb on a branch that some grant or deny of the policy names.
 * - **subject**: a user, a group or a **bot** (a non-human user with a ceiling).
 * - **endpoint**: a SCIM 2.0 service provider that Branchward audits and syncs as a client. The **directory** is the
 *   built-in one. A **bridge** is a SCIM service provider in front of a native system.
 * - **entitlement group**: the SCIM Group that carries one entitlement of one incarnation at one endpoint.
 * - **scope**: incarnation × endpoint, the unit of reconciliation. **desired / effective / actual / plan / apply /
 *   verify** (effective = desired with the changes that are withheld left out).
 * - **sync**: one reconciliation run of a scope. **verdict**: `verified | diverged | unverifiable | held | failed`;
 *   until there is one the scope is `pending`. **drift**: a difference Branchward did not cause.
 * - **queue, job, attempt, delayed, stalled, processor, worker, scheduler**: as BullMQ means them.
 * - SCIM words are RFC 7643's and RFC 7644's, verbatim.
 */
export {
  type AccountOperation,
  type AccountOwner,
  type KnownAttributes,
  listProfilePaths,
  planProfileChanges,
  toAccountProfile,
  USUAL_ATTRIBUTES,
} from "./accounts/account-profile.ts";
export { type AccountDecision, type AccountHit, decideAccount } from "./accounts/decide-account.ts";
export { planKeyRemovals } from "./accounts/lock-account.ts";
export { parseInstant } from "./instant.ts";
export { foldName } from "./fold-name.ts";
export { type ClientProfile, type EndpointCard, listCardProblems, toClientProfile } from "./endpoint/endpoint-card.ts";
export type {
  BranchState,
  Brand,
  DeliveryId,
  Entitlement,
  GroupId,
  IncarnationId,
  MismatchClass,
  PolicyVersionId,
  RefType,
  RepositoryId,
  ScopeId,
  Site,
  SyncId,
  Trust,
  UserId,
  Vcs,
  Verdict,
} from "./words.ts";
export {
  AppError,
  ConfigurationError,
  ConflictError,
  ForbiddenError,
  InvalidInputError,
  NotFoundError,
  UnauthorizedError,
  UnavailableError,
  UpstreamError,
  type AppErrorOptions,
  type Retry,
} from "./errors.ts";
export { formatDuration, parseDuration } from "./duration.ts";
export type {
  Actor,
  BranchEvent,
  CheckoutClaim,
  NormalizedDelivery,
  QueuedHead,
  RefChange,
  RefSighting,
  RepositoryClaim,
} from "./branch-event.ts";

export { findQueueBase } from "./merge-queue.ts";
export { decideRegistry } from "./registry/decide-registry.ts";
export type { Incarnation, RegistryDecision, RegistryInput } from "./registry/types.ts";

export { bindPattern, compilePattern, matchesPattern, type Pattern } from "./policy/pattern.ts";
export {
  decidingVerb,
  isGoverned,
  isGrantedAt,
  listMatchingRules,
  matchesBranch,
  scopesFor,
  type BranchName,
} from "./policy/match-rules.ts";
export { canonicalRemovals, type GuardedLoss, listGuardedLosses } from "./policy-plan/canonical-removals.ts";
export { createPolicyPlanner, type PolicyPlanner } from "./policy-plan/policy-planner.ts";
export type {
  EntitlementChange,
  Gain,
  Loss,
  LossCause,
  PlannedBranch,
  PlannedScope,
  PolicyHold,
  PolicyPlan,
  PolicyPlanFacts,
  PolicySide,
  RuleReason,
  ScopeChange,
} from "./policy-plan/types.ts";
export { canonicalPolicy } from "./policy/canonical-policy.ts";
export { parsePrincipal } from "./policy/principal.ts";
export {
  dependsOnUser,
  listMentions,
  literalBeginnings,
  type MentioningScope,
  type MentionKind,
  toMention,
  toReferenceKey,
  toUserKey,
} from "./policy/list-mentions.ts";
export { policyReferences, type PolicyReferences } from "./policy/policy-references.ts";
export type {
  Bot,
  DailyHours,
  Deny,
  Exclusive,
  Grant,
  Guards,
  Place,
  Policy,
  PolicyRule,
  Principal,
} from "./policy/types.ts";

export { findSizeProblem, MAX_CONFIGURATION_BYTES } from "./config/file-size.ts";
export { parseConfiguration, parsePolicy } from "./config/parse-configuration.ts";
export { hasAskableHost } from "./config/has-askable-host.ts";
export { readYaml, type Problem } from "./config/yaml-source.ts";
export { childOf, createReader, quote, type Node as ConfigurationNode, type Reader } from "./config/reader.ts";
export {
  flag as flagField,
  listOf as listField,
  oneOf as choiceField,
  secret as secretField,
  text as textField,
} from "./config/fields.ts";
export type {
  AuditConfiguration,
  CiConclusion,
  CiConfiguration,
  Configuration,
  EndpointConfiguration,
  GrantConfiguration,
  RepositoryConfiguration,
  ScimAttributeConfiguration,
  ScimConfiguration,
  ScimResourceTypeConfiguration,
  ScimSchemaConfiguration,
  SecretReference,
  SourceConfiguration,
  SourceType,
} from "./config/types.ts";

export { computeDesired } from "./desired/compute-desired.ts";
export { findUserByName, toDirectoryUsers } from "./desired/resolve-principal.ts";
export type {
  AccessFacts,
  Checkout,
  Desired,
  DesiredFacts,
  DesiredMember,
  DirectoryUser,
  DirectoryUsers,
  EmergencyGrant,
  Exclusion,
  Finding,
  GroupMember,
  GroupResolution,
  Reason,
} from "./desired/types.ts";

export { applyPlan } from "./plan/apply-plan.ts";
export {
  defaultDisplayNameTemplate,
  externalIdOf,
  foldDisplayName,
  isOurExternalId,
  listDisplayNames,
  splitExternalId,
} from "./plan/entitlement-group.ts";
export { judgeSync, type JudgeInput } from "./plan/judge-sync.ts";
export { planSync, removalKey } from "./plan/plan-sync.ts";
export { type Drift, isRevocationCause, leaveDrift, suspendPlan } from "./plan/restrain-plan.ts";
export type {
  ActualGroup,
  Addition,
  BranchEntitlement,
  EffectiveGroup,
  GroupBinding,
  Judgement,
  Mismatch,
  Operation,
  Plan,
  PlanInput,
  Removal,
  RemovalCause,
  ScopeBranch,
} from "./plan/types.ts";

export {
  type GroupOverLimit,
  type GuardedGroup,
  type GuardedRemoval,
  type GuardInput,
  type GuardJudgement,
  judgeRemovals,
} from "./guards/judge-removals.ts";

export { explainAccess, type AccessQuestion, type AccessReason, type Explanation } from "./explain/explain-access.ts";
export { explainPast, type PastAccess, type PastHolding, type PastQuestion } from "./explain/explain-past.ts";
export { type DeniedChange, tellDenial } from "./explain/tell-denial.ts";

export {
  branchEntitlementExtension,
  branchEntitlementSchema,
  type ScimExtension,
  sshKeysExtension,
  sshKeysSchema,
} from "./scim-extensions.ts";
