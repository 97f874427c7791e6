/** A SCIM endpoint on a real socket that keeps what it is told, but for the faults that the schedule asks for. */
import {
  createGroupType,
  createScimProvider,
  createUserType,
  type ScimRequest,
  type ScimResponse,
} from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";
import { branchEntitlementSchema } from "@branchward/store";

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

/** Fault at the n-th call of a run. */
export interface FaultAt {
  readonly call: number;
  readonly fault: Fault;
}

export interface EndpointKind {
  /** Refuses a `Branchward-Fence` below one that it has seen for the group, as the directory and bridges do. */
  readonly isFencing: boolean;
}

export interface GroupAtEndpoint {
  readonly id: string;
  readonly displayName: string;
  readonly externalId: string | undefined;
  readonly members: readonly string[];
}

/** A write that took effect. */
export interface Effect {
  readonly group: GroupAtEndpoint;
  /** Members that it put in. */
  readonly added: readonly string[];
  readonly isRename: boolean;
}

export interface ModelEndpoint extends AsyncDisposable {
  readonly url: string;
  /** Empties it, for the next schedule. */
  reset(onEffect: (effect: Effect) => Promise<void>): void;
  setKind(kind: EndpointKind): void;
  /** Faults of the calls that bear this run's name, one for each number of a call. */
  script(run: string, faults: readonly FaultAt[]): void;
  /** Faults that struck since the last time this was asked. */
  takeStruck(): readonly Fault[];
  /** Resolves when the run waits at a pause. */
  paused(run: string): Promise<void>;
  resume(run: string): void;
  listGroups(): Promise<readonly GroupAtEndpoint[]>;
  addAccount(userId: string, userName: string): Promise<void>;
  renameAccount(userId: string, userName: string): Promise<void>;
  /** Somebody's doing at the endpoint. */
  setMember(groupId: string, userId: string, isMember: boolean): Promise<void>;
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
    types: [createUserType(), createGroupType([branchEntitlementSchema])],
    baseUrl: () => "http://endpoint.example/scim/v2",
    maxResults: 200,
  });
}

const RUN_HEADER = "x-model-run";
export const runHeader = (run: string): Readonly<Record<string, string>> => ({ [RUN_HEADER]: run });

function createState() {
  return {
    provider: createProvider(),
    kind: { isFencing: false } as EndpointKind,
    onEffect: null as ((effect: Effect) => Promise<void>) | null,
    runs: new Map<string, Run>(),
    struck: [] as Fault[],
    before: new Map<string, ScimResponse>(),
    fences: new Map<string, number>(),
    accounts: new Map<string, string>(),
    users: new Map<string, string>(),
    writes: 0,
  };
}
type State = ReturnType<typeof createState>;

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

function inside(state: State, method: string, path: string, body?: object): Promise<ScimResponse> {
  const [plain = "", query = ""] = path.split("?");
  const request = { method, path: plain, query: new URLSearchParams(query), headers: {}, body, context: undefined };
  return state.provider.handle(request);
}

export async function startModelEndpoint(): Promise<ModelEndpoint> {
  let state = createState();
  const server = await serveProvider({ handle: (request) => handle(state, request) });
  return {
    url: server.url,
    reset(onEffect) {
      for (const run of state.runs.values()) run.released.resolve();
      state = { ...createState(), onEffect };
    },
    setKind(kind) {
      state.kind = kind;
    },
    script(run, faults) {
      state.runs.set(run, createRun(faults));
    },
    takeStruck: () => state.struck.splice(0),
    paused: (run) => getRun(state, run).reached.promise,
    resume: (run) => getRun(state, run).released.resolve(),
    listGroups: () => listGroups(state),
    async addAccount(userId, userName) {
      const { body } = await inside(state, "POST", "/Users", { schemas: [USER], userName, externalId: userId });
      const { id } = body as { id: string };
      state.accounts.set(userId, id);
      state.users.set(id, userId);
    },
    async renameAccount(userId, userName) {
      const operations = [{ op: "replace", path: "userName", value: userName }];
      await inside(state, "PATCH", `/Users/${state.accounts.get(userId) ?? ""}`, {
        schemas: [PATCH],
        Operations: operations,
      });
    },
    async setMember(groupId, userId, isMember) {
      const account = state.accounts.get(userId) ?? "";
      const operation = isMember
        ? { op: "add", path: "members", value: [{ value: account }] }
        : { op: "remove", path: `members[value eq "${account}"]` };
      await inside(state, "PATCH", `/Groups/${groupId}`, { schemas: [PATCH], Operations: [operation] });
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
  const fault = run.faults.get(run.calls);
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
      await pause(run);
      return perform(state, request);
    case "pause-after": {
      const answer = await perform(state, request);
      await pause(run);
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

async function pause(run: Run): Promise<void> {
  run.reached.resolve();
  await run.released.promise;
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
  if (request.method === "GET" || !request.path.startsWith("/Groups")) return state.provider.handle(request);
  const fence = Number(request.headers["branchward-fence"] ?? Infinity);
  if (state.kind.isFencing && fence < (state.fences.get(request.path) ?? 0)) return refuse(412, "the fence is stale");
  if (state.kind.isFencing) state.fences.set(request.path, fence);
  const before = await inside(state, "GET", request.path);
  if (request.method !== "POST") state.before.set(request.path, before);
  const answer = await state.provider.handle(request);
  if (answer.status >= 300) return answer;
  state.writes += 1;
  const path = request.method === "POST" ? `/Groups/${(answer.body as { id: string }).id}` : request.path;
  const after = await inside(state, "GET", path);
  if (after.status === 200)
    await state.onEffect?.(toEffect(state, { before: request.method === "POST" ? null : before, after }));
  return answer;
}

interface Turn {
  readonly before: ScimResponse | null;
  readonly after: ScimResponse;
}

function toEffect(state: State, { before, after }: Turn): Effect {
  const group = toGroup(state, after.body);
  const former = before === null ? null : toGroup(state, before.body);
  const added = group.members.filter((member) => former === null || !former.members.includes(member));
  return { group, added, isRename: former !== null && former.displayName !== group.displayName };
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
  return Resources.map((each) => toGroup(state, each));
}
