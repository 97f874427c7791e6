/** A SCIM endpoint on a real socket that keeps what it is told, but for the faults that the schedule asks for. */
import { isDeepStrictEqual } from "node:util";
import { branchEntitlementExtension, isOurExternalId } from "@branchward/core";
import {
  createGroupType,
  createScimProvider,
  createUserType,
  type ScimRequest,
  type ScimResponse,
} from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";
import { createReplica } from "./replica.ts";
import type { EndpointTraits } from "./setting.ts";

/**
 * `deaf`: success without effect; `partial`: the first half of the members, then 500; `stale`: what was so before the
 * last write of the group; `…-after`: the write took effect; `pause-…`: the caller waits until it is let go.
 */
export const FAULTS = [
  "429",
  "500-before",
  "500-after",
  "reset-before",
  "reset-after",
  "deaf",
  "partial",
  "stale",
  "pause-before",
  "pause-after",
] as const;
export type Fault = (typeof FAULTS)[number];
/** What struck: `lag` where an endpoint that shows writes late was read too soon. */
export type Struck = Fault | "lag";

/** Fault at the n-th call of a run. */
export interface FaultAt {
  readonly call: number;
  readonly fault: Fault;
}

export interface GroupAtEndpoint {
  readonly id: string;
  readonly displayName: string;
  readonly externalId: string | undefined;
  readonly members: readonly string[];
}

/** A write that took effect. */
export interface Effect {
  /** The run that asked for it. */
  readonly run: string;
  readonly group: GroupAtEndpoint;
  /** Members that it put in. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly isRename: boolean;
}

export interface ModelEndpoint extends AsyncDisposable {
  readonly url: string;
  readonly traits: EndpointTraits;
  /** Empties it, for the next schedule. */
  reset(onEffect: (effect: Effect) => Promise<void>): void;
  /** Faults of the calls that bear this run's name, one for each number of a call. */
  script(run: string, faults: readonly FaultAt[]): void;
  /** Faults that struck since the last time this was asked. */
  takeStruck(): readonly Struck[];
  /** Resolves when the run waits at a pause. */
  paused(run: string): Promise<void>;
  resume(run: string): void;
  /** Calls that wait at a pause. */
  countPaused(): number;
  listGroups(): Promise<readonly GroupAtEndpoint[]>;
  addAccount(userId: string, userName: string): Promise<void>;
  renameAccount(userId: string, userName: string): Promise<void>;
  /** Somebody's doing at the endpoint. */
  setMember(groupId: string, userId: string, isMember: boolean): Promise<void>;
  /** Somebody's doing at the endpoint. */
  deleteGroup(groupId: string): Promise<void>;
  /** Account → directory user. */
  userOf(account: string): string;
  countWrites(): number;
}

interface Run {
  readonly faults: Map<number, Fault>;
  calls: number;
  readonly reached: PromiseWithResolvers<void>;
  readonly released: PromiseWithResolvers<void>;
}

type Request = ScimRequest<undefined>;

function createProvider() {
  return createScimProvider<undefined>({
    store: createMemoryStore(),
    types: [createUserType(), createGroupType([branchEntitlementExtension])],
    baseUrl: () => "http://endpoint.example/scim/v2",
    maxResults: 200,
  });
}

const RUN_HEADER = "x-model-run";
export const runHeader = (run: string): Readonly<Record<string, string>> => ({ [RUN_HEADER]: run });

export interface EndpointDeps {
  readonly traits: EndpointTraits;
  readonly now: () => number;
  /** The built-in directory as runs ask it. */
  readonly directory: Provider;
}

/** What answers once no fault does. */
export interface Provider {
  handle(request: ScimRequest<undefined>): Promise<ScimResponse>;
}

/** What a directory of our own never does. */
const LIES: ReadonlySet<Fault> = new Set(["deaf", "partial", "stale", "429"]);

function createState({ traits, now, directory }: EndpointDeps) {
  const provider: Provider = traits.isBuiltin ? directory : createProvider();
  return {
    traits,
    provider,
    replica: traits.isLagging ? createReplica(createProvider(), now) : null,
    onEffect: null as ((effect: Effect) => Promise<void>) | null,
    runs: new Map<string, Run>(),
    struck: [] as Struck[],
    before: new Map<string, ScimResponse>(),
    fences: new Map<string, number>(),
    accounts: new Map<string, string>(),
    users: new Map<string, string>(),
    writes: 0,
    paused: 0,
  };
}
type State = ReturnType<typeof createState>;

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

async function inside(state: State, method: string, path: string, body?: object): Promise<ScimResponse> {
  const [plain = "", query = ""] = path.split("?");
  const request = { method, path: plain, query: new URLSearchParams(query), headers: {}, body, context: undefined };
  if (method !== "GET") await state.replica?.take(request);
  return state.provider.handle(request);
}

export async function startModelEndpoint(deps: EndpointDeps): Promise<ModelEndpoint> {
  let state = createState(deps);
  const server = await serveProvider({ handle: (request) => handle(state, request) });
  return {
    url: server.url,
    traits: deps.traits,
    reset(onEffect) {
      for (const run of state.runs.values()) run.released.resolve();
      state = { ...createState(deps), onEffect };
    },
    script(run, faults) {
      state.runs.set(run, createRun(faults));
    },
    takeStruck: () => state.struck.splice(0),
    paused: (run) => getRun(state, run).reached.promise,
    resume: (run) => getRun(state, run).released.resolve(),
    countPaused: () => state.paused,
    listGroups: () => listGroups(state),
    async addAccount(userId, userName) {
      if (deps.traits.isBuiltin) return;
      const { body } = await inside(state, "POST", "/Users", { schemas: [USER], userName, externalId: userId });
      const { id } = body as { id: string };
      state.accounts.set(userId, id);
      state.users.set(id, userId);
    },
    async renameAccount(userId, userName) {
      if (deps.traits.isBuiltin) return;
      const operations = [{ op: "replace", path: "userName", value: userName }];
      await inside(state, "PATCH", `/Users/${state.accounts.get(userId) ?? ""}`, {
        schemas: [PATCH],
        Operations: operations,
      });
    },
    async setMember(groupId, userId, isMember) {
      if (deps.traits.isBuiltin) throw new Error("nobody else writes to the directory");
      const account = state.accounts.get(userId) ?? "";
      const operation = isMember
        ? { op: "add", path: "members", value: [{ value: account }] }
        : { op: "remove", path: `members[value eq "${account}"]` };
      await inside(state, "PATCH", `/Groups/${groupId}`, { schemas: [PATCH], Operations: [operation] });
    },
    async deleteGroup(groupId) {
      if (deps.traits.isBuiltin) throw new Error("nobody else writes to the directory");
      await inside(state, "DELETE", `/Groups/${groupId}`);
    },
    userOf: (account) => state.users.get(account) ?? account,
    countWrites: () => state.writes,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function createRun(faults: readonly FaultAt[]): Run {
  return {
    faults: new Map(faults.map(({ call, fault }) => [call, fault])),
    calls: 0,
    reached: Promise.withResolvers<void>(),
    released: Promise.withResolvers<void>(),
  };
}

function getRun(state: State, name: string): Run {
  const run = state.runs.get(name) ?? createRun([]);
  state.runs.set(name, run);
  return run;
}

async function handle(state: State, request: Request): Promise<ScimResponse> {
  const run = getRun(state, request.headers[RUN_HEADER] ?? "");
  const planned = run.faults.get(run.calls);
  const fault = planned !== undefined && state.traits.isBuiltin && LIES.has(planned) ? undefined : planned;
  run.calls += 1;
  const isWrite = request.method !== "GET";
  if (fault !== undefined) state.struck.push(fault);
  switch (fault) {
    case "429":
      return refuse(429, "too many", { "retry-after": "2" });
    case "500-before":
      return refuse(500, "out of order");
    case "reset-before":
      throw new Error("connection dropped");
    case "pause-before":
      await pause(state, run);
      return perform(state, request);
    case "pause-after": {
      const answer = await perform(state, request);
      await pause(state, run);
      return answer;
    }
    case "500-after":
      await perform(state, request);
      return refuse(500, "out of order");
    case "reset-after":
      await perform(state, request);
      throw new Error("connection dropped");
    case "stale":
      return (isWrite ? undefined : state.before.get(request.path)) ?? perform(state, request);
    case "deaf":
      return request.method === "PATCH" ? { status: 204, headers: {}, body: undefined } : perform(state, request);
    case "partial":
      if (request.method !== "PATCH") return perform(state, request);
      await perform(state, { ...request, body: halve(request.body) });
      return refuse(500, "out of order half-way");
    case undefined:
      return perform(state, request);
  }
}

async function pause(state: State, run: Run): Promise<void> {
  run.reached.resolve();
  state.paused += 1;
  await run.released.promise;
  state.paused -= 1;
}

function refuse(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): ScimResponse {
  return { status, headers: { "content-type": "application/scim+json", ...headers }, body: { detail } };
}

/** Keeps the first half of every list of values. */
function halve(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body), (key, value: unknown) =>
    key === "value" && Array.isArray(value) ? value.slice(0, Math.floor(value.length / 2)) : value,
  );
}

async function perform(state: State, request: Request): Promise<ScimResponse> {
  const answer = await (request.method === "GET" ? read(state, request) : write(state, request));
  return state.traits.hasVersions ? answer : withoutVersions(answer);
}

async function read(state: State, request: Request): Promise<ScimResponse> {
  const now = await state.provider.handle(request);
  if (state.replica === null) return now;
  const shown = await state.replica.read(request);
  if (!isDeepStrictEqual(shown, now)) state.struck.push("lag");
  return shown;
}

/** As of an endpoint that has none. */
function withoutVersions({ status, headers, body }: ScimResponse): ScimResponse {
  const { etag: _, ...others } = headers;
  const bare: unknown =
    body === undefined
      ? undefined
      : JSON.parse(JSON.stringify(body), (key, value: unknown) => (key === "meta" ? undefined : value));
  return { status, headers: others, body: bare };
}

async function write(state: State, request: Request): Promise<ScimResponse> {
  const { isFencing, hasVersions, isBuiltin } = state.traits;
  if (isBuiltin) return writeThrough(state, request);
  const fence = Number(request.headers["branchward-fence"] ?? Infinity);
  if (isFencing && fence < (state.fences.get(request.path) ?? 0)) return refuse(412, "the fence is stale");
  if (isFencing) state.fences.set(request.path, fence);
  const before = await inside(state, "GET", request.path);
  if (request.method !== "POST") state.before.set(request.path, hasVersions ? before : withoutVersions(before));
  const { "if-match": ifMatch, ...others } = request.headers;
  if (!hasVersions && ifMatch !== undefined) return refuse(400, "there are no versions here");
  const answer = await state.provider.handle(request);
  if (answer.status >= 300) return answer;
  state.replica?.follow({ ...request, headers: others });
  await noteEffect(state, request, { before, answer });
  return answer;
}

async function writeThrough(state: State, request: Request): Promise<ScimResponse> {
  const before = await inside(state, "GET", request.path);
  const answer = await state.provider.handle(request);
  if (answer.status < 300) await noteEffect(state, request, { before, answer });
  return answer;
}

interface Written {
  readonly before: ScimResponse;
  readonly answer: ScimResponse;
}

async function noteEffect(state: State, request: Request, { before, answer }: Written): Promise<void> {
  state.writes += 1;
  const isNew = request.method === "POST";
  const path = isNew ? `/Groups/${(answer.body as { id: string }).id}` : request.path;
  const after = await inside(state, "GET", path);
  if (after.status !== 200) return;
  const turn = { run: request.headers[RUN_HEADER] ?? "", before: isNew ? null : before, after };
  await state.onEffect?.(toEffect(state, turn));
}

interface Turn {
  readonly run: string;
  readonly before: ScimResponse | null;
  readonly after: ScimResponse;
}

function toEffect(state: State, { run, before, after }: Turn): Effect {
  const group = toGroup(state, after.body);
  const former = before === null ? null : toGroup(state, before.body);
  return {
    run,
    group,
    added: group.members.filter((member) => former === null || !former.members.includes(member)),
    removed: (former?.members ?? []).filter((member) => !group.members.includes(member)),
    isRename: former !== null && former.displayName !== group.displayName,
  };
}

interface WireGroup {
  readonly id: string;
  readonly displayName: string;
  readonly externalId?: string;
  readonly members?: readonly { readonly value: string }[];
}

function toGroup(state: State, body: unknown): GroupAtEndpoint {
  const { id, displayName, externalId, members = [] } = body as WireGroup;
  const users = members.map(({ value }) => state.users.get(value) ?? value);
  return { id, displayName, externalId, members: users.toSorted() };
}

async function listGroups(state: State): Promise<readonly GroupAtEndpoint[]> {
  const { body } = await inside(state, "GET", "/Groups?count=200");
  const { Resources = [] } = body as { Resources?: readonly unknown[] };
  const all = Resources.map((each) => toGroup(state, each));
  return state.traits.isBuiltin ? all.filter(({ externalId = "" }) => isOurExternalId(externalId)) : all;
}
