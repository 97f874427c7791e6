/** A numbered database of the test run's Redis, claimed so that files that run side by side never share one. */
import { once } from "node:events";
import { connect } from "node:net";

export interface RedisDatabase extends AsyncDisposable {
  /** `redis://127.0.0.1:<port>/<number>` */
  readonly url: string;
  /** Empties this database. */
  flush(): Promise<void>;
}

/** 0 holds the claims; the queue's own tests use 9. */
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15];

/** Claims an empty database until it is disposed. Needs BRANCHWARD_TEST_REDIS_URL of the test run. */
export async function openRedisDatabase(): Promise<RedisDatabase> {
  const server = process.env["BRANCHWARD_TEST_REDIS_URL"];
  if (server === undefined) throw new Error("BRANCHWARD_TEST_REDIS_URL is not set; run the tests with npm test");
  for (const number of NUMBERS) {
    const claim = `branchward-test-claim-${number}`;
    if ((await sendCommand(server, `SET ${claim} taken NX`)) !== "+OK") continue;
    const url = `${server}/${number}`;
    const flush = async (): Promise<void> => {
      await sendCommand(server, `SELECT ${number}`, "FLUSHDB");
    };
    await flush();
    return {
      url,
      flush,
      async [Symbol.asyncDispose]() {
        await flush();
        await sendCommand(server, `DEL ${claim}`);
      },
    };
  }
  throw new Error("every database of the test run's Redis is taken");
}

/** Sends commands on one connection; resolves with the last answer, which must be of one line and no error. */
export async function sendCommand(serverUrl: string, ...commands: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(serverUrl);
  const socket = connect(Number(port), hostname);
  socket.end(`${commands.join("\r\n")}\r\nQUIT\r\n`);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, "close");
  const answers = text.split("\r\n").slice(0, commands.length);
  const failed = answers.find((line) => line.startsWith("-"));
  if (failed !== undefined) throw new Error(`redis: ${failed}`);
  return answers.at(-1) ?? "";
}
