/** The answer to what is not a request of HTTP: Node's own would name nothing. */
import type { Duplex } from "node:stream";
import { createProblem, type Problem } from "./problem.ts";

/** For `clientError` of a server. */
export function refuseClient(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = toProblem(error);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Connection: close",
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

function toProblem({ code, message }: NodeJS.ErrnoException): Problem {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return createProblem(431, "headers_too_large", "address and headers have at most 16384 bytes together");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return createProblem(413, "body_too_large", "the chunks of the body have too much beside them");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return createProblem(
        408,
        "request_timeout",
        "headers have to come within 10 s, and the whole request within 30 s",
      );
    default:
      return createProblem(400, "malformed_request", `this is no request of HTTP/1.1: ${message}`);
  }
}
