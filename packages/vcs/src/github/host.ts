/** GitHub's REST API as evidence of branches (docs.github.com/rest, "Get a repository", "Get a reference"). */
import type { RefSighting, RepositoryClaim } from "@branchward/core";
import { Octokit } from "@octokit/core";
import { isRevision, toRevision } from "../ref.ts";
import type { HostConnection, HostReading, SourceHost } from "../source-host.ts";
import { toFailure } from "./api-failure.ts";
import { isRecord } from "./payload.ts";

const API_VERSION = "2022-11-28";
const QUIET = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Asks for branches one by one, and believes that one is gone only where another is shown. */
export function createGithubHost(connection: HostConnection): SourceHost {
  const octokit = new Octokit({ baseUrl: connection.url, log: QUIET, userAgent: "branchward" });

  async function ask(token: string, route: string, { parameters, signal }: Question): Promise<Answer> {
    const { status, headers, data } = await octokit.request(`GET ${route}`, {
      ...parameters,
      headers: { authorization: `Bearer ${token}`, "x-github-api-version": API_VERSION },
      request: { fetch: connection.fetch, signal, redirect: "manual" },
    });
    return { status, headers, data };
  }

  /** Tries the tokens in turn, so that a rotation costs no look. */
  async function get(route: string, question: Question): Promise<Answer> {
    const tried: string[] = [];
    for (let token = await connection.token(); ;) {
      try {
        return await ask(token, route, question);
      } catch (error) {
        if (toFailure(error)?.status !== 401) throw error;
        tried.push(token);
        const next = await connection.nextToken(tried);
        if (next === undefined || tried.includes(next)) throw error;
        token = next;
      }
    }
  }

  return {
    async readBranches(repository, names, signal) {
      const reader = createReader(repository, (route, parameters) => get(route, { parameters, signal }));
      try {
        return await reader.read(names);
      } catch (error) {
        return toUnavailable(error, repository, connection.now());
      }
    },
  };
}

interface Question {
  readonly parameters: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly data: unknown;
}

type Get = (route: string, parameters: Record<string, string>) => Promise<Answer>;

/** An answer that says nothing of the branches. */
class UnusableAnswerError extends Error {
  override readonly name = "UnusableAnswerError";
}

function createReader(repository: RepositoryClaim, get: Get) {
  const [owner = "", repo = ""] = repository.name.split("/");
  const place = { owner, repo };

  /** The default branch of the very repository that the source's deliveries are of. @throws {UnusableAnswerError} for another */
  async function readDefaultBranch(): Promise<string> {
    const { status, data } = await get("/repos/{owner}/{repo}", place);
    if (status !== 200 || !isRecord(data)) throw new UnusableAnswerError(`${repository.name} was answered ${status}`);
    if (String(data["id"]) !== repository.nativeId) {
      throw new UnusableAnswerError(
        `${repository.name} is another repository by now: its next delivery tells its name`,
      );
    }
    if (typeof data["default_branch"] !== "string") throw new UnusableAnswerError("no default_branch was told");
    return data["default_branch"];
  }

  /** Its head; null for a 404. */
  async function readHead(name: string): Promise<string | null> {
    const answer = await get("/repos/{owner}/{repo}/git/ref/{ref}", { ...place, ref: `heads/${name}` }).catch(
      (error: unknown) => {
        if (toFailure(error)?.status === 404) return null;
        throw error;
      },
    );
    if (answer === null) return null;
    const { status, data } = answer;
    const object = isRecord(data) ? data["object"] : undefined;
    // Older servers answer a name that is not there with all that begin with it.
    if (status !== 200 || !isRecord(data) || data["ref"] !== `refs/heads/${name}` || !isRecord(object)) {
      throw new UnusableAnswerError(`the branch ${name} was answered ${status}, not as one branch`);
    }
    if (!isRevision(object["sha"])) throw new UnusableAnswerError(`the branch ${name} has no revision`);
    return toRevision(object["sha"]);
  }

  return {
    async read(names: readonly string[]): Promise<HostReading> {
      const defaultBranch = await readDefaultBranch();
      const sightings: RefSighting[] = [];
      for (const name of names) sightings.push({ refType: "branch", name, head: await readHead(name) });
      // Who may see a repository and none of its contents is answered 404 for every branch.
      if (sightings.some(({ head }) => head === null) && (await readHead(defaultBranch)) === null) {
        throw new UnusableAnswerError(
          `${repository.name} shows not even its default branch: give the token the permission Contents: read`,
        );
      }
      return { state: "read", sightings };
    },
  };
}

function toUnavailable(error: unknown, { name }: RepositoryClaim, now: number): HostReading {
  if (error instanceof UnusableAnswerError) return { state: "unavailable", reason: error.message, retryAfterMs: null };
  const failure = toFailure(error);
  if (failure === undefined) {
    const cause = error instanceof Error ? error.message : String(error);
    return { state: "unavailable", reason: `it does not answer: ${cause}`, retryAfterMs: null };
  }
  return { state: "unavailable", reason: failure.tell(name), retryAfterMs: failure.retryAfterMs(now) };
}

function ignore(): void {}
