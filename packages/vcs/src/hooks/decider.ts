/** For the tests of the hooks that decide: a Branchward whose answers a test sets, and that remembers what it was asked. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { EnforceRequest } from "./enforcement.ts";

export const token = "bw_agent_0123456789";

export interface Change {
  readonly entitlement: string;
  readonly refType: string;
  readonly branch: string;
}

export interface Question {
  readonly user: string | null;
  readonly source: string;
  readonly repository: string;
  readonly changes: readonly Change[];
}

export interface Decider extends AsyncDisposable {
  readonly url: string;
  readonly questions: readonly Question[];
  /** `verb branch` of what is denied; everything else is allowed. */
  denied: readonly string[];
  /** Answers a request in place of the decisions; return false to leave it to them. */
  fault: ((response: ServerResponse) => boolean) | null;
}

/** What every installation of the tests gives, unless it says otherwise. */
export const enforce: EnforceRequest = {
  userFrom: null,
  onUnavailable: null,
  timeout: null,
  tokenFile: null,
  token,
};

/** Answers on a free port of the loopback; deliveries of the hooks that tell are accepted and forgotten. */
export async function openDecider(): Promise<Decider> {
  const questions: Question[] = [];
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    if (request.url?.startsWith("/hooks/")) return void response.writeHead(202).end();
    if (decider.fault?.(response)) return;
    if (request.url !== "/v1/access/decisions" || request.headers.authorization !== `Bearer ${token}`) {
      return void response.writeHead(401).end(JSON.stringify({ detail: "the token is not valid" }));
    }
    const question = parseQuestion(Buffer.concat(chunks).toString("utf8"));
    questions.push(question);
    response.end(JSON.stringify({ decisions: question.changes.map((change) => decide(question, change)) }));
  }
  function decide({ user, repository }: Question, change: Change) {
    const { entitlement, branch } = change;
    const allowed = !decider.denied.includes(`${entitlement} ${branch}`);
    const message = [`${user} may not ${entitlement} ${branch} of ${repository}`, "ask: group:release-managers"];
    return { ...change, allowed, governed: true, message: allowed ? [] : message };
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const decider: Decider = {
    url: `http://127.0.0.1:${port}`,
    questions,
    denied: [],
    fault: null,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return decider;
}

function parseQuestion(text: string): Question {
  return JSON.parse(text) as Question;
}
