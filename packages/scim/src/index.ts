/** SCIM 2.0, provider and client: RFC 7643 schemas, RFC 7644 protocol. Knows nothing of what its resources mean. */
export { ScimError, toErrorBody, type ScimErrorType } from "./error.ts";
export { isJsonObject, type JsonObject, type JsonValue, ownValue } from "./json.ts";
export {
  attribute,
  type AttributeDefinition,
  type AttributeSpecification,
  type AttributeType,
  type SchemaDefinition,
  type SchemaSpecification,
} from "./schema/definitions.ts";
export { userSchema } from "./schema/user.ts";
export { groupSchema } from "./schema/group.ts";
export { enterpriseUserSchema } from "./schema/enterprise-user.ts";
export { createGroupType, createUserType, type UserTypeOptions } from "./schema/core-types.ts";
export { createCatalogueTypes, type CatalogueShape } from "./schema/catalogues.ts";
export {
  defineResourceType,
  type AttributeRef,
  type ExtensionRef,
  type ResourceType,
  type ResourceTypeDefinition,
} from "./schema/resource-type.ts";
export { compareKeys, foldCase, toComparable, toSearchKeys, type Comparable } from "./schema/comparable.ts";
export {
  maxFilterDepth,
  maxFilterLength,
  maxFilterTerms,
  type CompareOperator,
  type FilterSyntax,
  type Literal,
} from "./filter/syntax.ts";
export { parseFilter } from "./filter/parser.ts";
export { bindFilter, type Filter } from "./filter/bind.ts";
export { compareByAttribute, matchesFilter } from "./filter/evaluate.ts";
export { maxAttributeWork, maxMemberComparisons, maxPatchOperations } from "./patch/limits.ts";
export { maxResourceLength } from "./resource/read-resource.ts";
export { maxValues } from "./resource/read-value.ts";
export type {
  ListQuery,
  Member,
  MemberDelta,
  MemberRead,
  ResourcePage,
  ResourceRead,
  ResourceState,
  ResourceUpdate,
  ScimStore,
  StoredResource,
} from "./store.ts";
export { scimMediaType, toErrorResponse, type ScimRequest, type ScimResponse } from "./provider/message.ts";
export type { BulkLimits } from "./provider/bulk.ts";
export type { CursorOptions } from "./provider/cursor.ts";
export {
  createScimProvider,
  type ResourceAddress,
  type ScimProvider,
  type ScimProviderOptions,
} from "./provider/provider.ts";
export type { Paging } from "./provider/resources.ts";
export type { Coercion } from "./dialect/coercions.ts";
export { recognizeDialect, type Dialect } from "./dialect/dialect.ts";
export type { FindOptions, WriteAnswer, WriteOptions } from "./client/calls.ts";
export {
  createScimClient,
  type GroupReadOptions,
  type ScimClient,
  type ScimGroupCalls,
  type ScimUserCalls,
} from "./client/client.ts";
export type { MemberPatchOptions } from "./client/member-patches.ts";
export { ScimClientError, type ScimClientFailure } from "./client/error.ts";
export { describeTransportCause } from "./client/transport-cause.ts";
export type { CallOptions, ScimCall, ScimHttpOptions } from "./client/http.ts";
export { toEqualityFilter, type ScimMemberDelta, type ScimOperation } from "./client/operations.ts";
export type {
  ScimGroup,
  ScimGroupMember,
  ScimResource,
  ScimSchemaSummary,
  ScimServiceProviderConfig,
  ScimUser,
} from "./client/resources.ts";
