/** Speaks to the api: JSON in, contracts out. An ended session suspends a request until somebody signs in, then sends it again. */
import type { z } from "zod";
import { type ApiRequest, readAnswer, send } from "./send.ts";
import type { Session } from "./session.ts";

export interface Api {
  /** @throws {ApiError} for every answer but 2xx, and when there is none. */
  request<Schema extends z.ZodType>(schema: Schema, path: string, request?: ApiRequest): Promise<z.output<Schema>>;
}

export function createApi(session: Session): Api {
  return {
    async request(schema, path, request = {}) {
      for (;;) {
        const response = await send(path, request);
        if (response.status !== 401) return schema.parse(await readAnswer(response));
        await session.waitForSignIn(request.signal);
      }
    },
  };
}
