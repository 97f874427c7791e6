/** A stand-in of GitHub's REST API, as far as branches are read by it (docs.github.com/rest, "Repositories", "Git references"). */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";

export interface HostedRepository {
  readonly id: number;
  readonly name: string;
  /** Branch → head. */
  readonly branches: Map<string, string>;
}

export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface GithubApi extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** `METHOD path` of every call, in order. */
  readonly calls: string[];
  host(repository: HostedRepository): HostedRepository;
  /** Takes the repository away, or shows it without its contents, or under its new address. */
  hide(name: string): void;
  hideContents(name: string): void;
  /** Answers every call so until told null. */
  refuse(refusal: Refusal | null): void;
}

const NOT_FOUND = { message: "Not Found", documentation_url: "https://docs.github.com/rest", status: "404" };
const BAD_CREDENTIALS = {
  message: "Bad credentials",
  documentation_url: "https://docs.github.com/rest",
  status: "401",
};

export async function openGithubApi(token = "token-of-the-host"): Promise<GithubApi> {
  const repositories = new Map<string, HostedRepository>();
  const withoutContents = new Set<string>();
  const calls: string[] = [];
  const state: { refusal: Refusal | null } = { refusal: null };

  function answer(path: string, authorization: string | undefined): Refusal {
    if (state.refusal !== null) return state.refusal;
    if (authorization !== `Bearer ${token}`) return { status: 401, body: BAD_CREDENTIALS };
    const [, owner = "", repo = "", ref] = /^\/repos\/([^/]+)\/([^/]+)(?:\/git\/ref\/([^/]+))?$/u.exec(path) ?? [];
    const found = repositories.get(`${owner}/${repo}`);
    if (found === undefined) return { status: 404, body: NOT_FOUND };
    if (ref === undefined) {
      return { status: 200, body: { id: found.id, name: repo, full_name: found.name, default_branch: "main" } };
    }
    const name = decodeURIComponent(ref);
    const sha = withoutContents.has(found.name) ? undefined : found.branches.get(name.replace(/^heads\//u, ""));
    if (sha === undefined) return { status: 404, body: NOT_FOUND };
    return { status: 200, body: { ref: `refs/${name}`, node_id: "REF", url: path, object: { type: "commit", sha } } };
  }

  const server = createServer((request, response) => {
    request.resume();
    calls.push(`${request.method ?? ""} ${request.url ?? ""}`);
    send(response, answer(request.url ?? "", request.headers.authorization));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    token,
    calls,
    host(repository) {
      repositories.set(repository.name, repository);
      return repository;
    },
    hide: (name) => void repositories.delete(name),
    hideContents: (name) => void withoutContents.add(name),
    refuse(refusal) {
      state.refusal = refusal;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function send(response: ServerResponse, { status, headers = {}, body = {} }: Refusal): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(JSON.stringify(body));
}
