/** The api as its users speak to it: HTTP, answers held to the published contracts. */
import {
  type BranchItem,
  branchItem,
  deliveryDetails,
  type DeliveryItem,
  deliveryItem,
  type FindingItem,
  findingItem,
  page,
  scopeItem,
  syncItem,
  type SyncStatus,
  syncStatus,
} from "@branchward/core/api";

/** What these tests look at of a branch and of a delivery; the routes' own tests hold the rest to the contracts. */
const branchView = branchItem.extend({ scopes: scopeItem.pick({ endpoint: true, verdict: true }).array() });
const deliveryView = deliveryDetails.pick({
  id: true,
  source: true,
  deliveryId: true,
  event: true,
  outcome: true,
  note: true,
  headers: true,
  body: true,
  events: true,
});

const syncView = syncItem.pick({ id: true, reason: true, verdict: true, added: true, removed: true });

export type SyncView = ReturnType<typeof syncView.parse>;
export type BranchView = ReturnType<typeof branchView.parse>;
export type DeliveryView = ReturnType<typeof deliveryView.parse>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; the text where it is none. */
  readonly body: unknown;
}

export interface ApiRequest {
  readonly method?: string;
  /** Without one the request carries no `Authorization`. */
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StatusQuery {
  readonly repository: string;
  readonly branch: string;
  readonly refType?: string;
  readonly revision?: string;
  readonly entitlement?: string;
  readonly wait?: string;
}

export interface TestApi {
  /** Sends as the admin unless another token, or null for none, is given. */
  request(path: string, request?: ApiRequest): Promise<HttpAnswer>;
  status(query: StatusQuery): Promise<{ readonly http: number; readonly status: SyncStatus }>;
  /** Every incarnation that bears the name, newest first. */
  listBranches(repository: string, branch?: string): Promise<readonly BranchItem[]>;
  getBranch(id: string): Promise<BranchView>;
  /** Every delivery there is, newest first. */
  listDeliveries(): Promise<readonly DeliveryItem[]>;
  getDelivery(id: string): Promise<DeliveryView>;
  /** Runs about one incarnation, newest first. */
  listSyncs(incarnation: string): Promise<readonly SyncView[]>;
  listFindings(): Promise<readonly FindingItem[]>;
}

export function createTestApi(baseUrl: () => string, adminToken: string): TestApi {
  async function request(path: string, options: ApiRequest = {}): Promise<HttpAnswer> {
    const token = options.token === undefined ? adminToken : options.token;
    const response = await fetch(`${baseUrl()}${path}`, {
      method: options.method ?? "GET",
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    return { status: response.status, headers: response.headers, body: parseBody(await response.text()) };
  }

  async function get(path: string): Promise<unknown> {
    const answer = await request(path);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  return {
    request,
    async status(query) {
      const { status, body } = await request(`/v1/sync-status?${new URLSearchParams({ ...query }).toString()}`);
      return { http: status, status: syncStatus.parse(body) };
    },
    async listBranches(repository, branch) {
      const query = new URLSearchParams({ repository, limit: "200", ...(branch === undefined ? {} : { branch }) });
      return page(branchItem).parse(await get(`/v1/branches?${query.toString()}`)).items;
    },
    getBranch: async (id) => branchView.parse(await get(`/v1/branches/${id}`)),
    async listDeliveries() {
      const deliveries: DeliveryItem[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const at: string = cursor === "" ? "" : `&cursor=${cursor}`;
        const { items, nextCursor } = page(deliveryItem).parse(await get(`/v1/deliveries?limit=200${at}`));
        deliveries.push(...items);
        cursor = nextCursor;
      }
      return deliveries;
    },
    getDelivery: async (id) => deliveryView.parse(await get(`/v1/deliveries/${id}`)),
    listSyncs: async (incarnation) =>
      page(syncView).parse(await get(`/v1/syncs?incarnation=${incarnation}&limit=200`)).items,
    listFindings: async () => page(findingItem).parse(await get("/v1/findings?limit=200")).items,
  };
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
