import { NotFoundError } from "@branchward/core";
import { idParams, problem, rotateBody, tokenBody, tokenItem, tokenMade } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type Database,
  endCheckoutsOfToken,
  expireTokenBy,
  findToken,
  insertToken,
  listTokens,
  type Queryable,
  readClock,
  revokeToken,
} from "@branchward/store";
import { z } from "zod";
import type { FollowUp } from "../follow-up.ts";
import { requestEnded } from "../request-ended.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A successor lives as long as a token does by default. */
const SUCCESSOR_DAYS = 90;

export interface TokenDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
}

export function createTokenRoutes({ db, followUp }: TokenDeps): readonly Route[] {
  return [listRoute(db), createRoute(db), rotateRoute(db), revokeRoute({ db, followUp })];
}

function listRoute(db: Database): Route {
  return defineRoute({
    method: "get",
    path: "/v1/tokens",
    summary: "Tokens with scope, expiry and last use; never a secret",
    scope: "admin",
    responses: { 200: { description: "all tokens", body: z.object({ items: z.array(tokenItem) }) } },
    async handle() {
      return answer(200, { items: [...(await listTokens(db))] });
    },
  });
}

function createRoute(db: Database): Route {
  return defineRoute({
    method: "post",
    path: "/v1/tokens",
    summary: "Make a token; the secret is answered this once",
    scope: "admin",
    body: tokenBody,
    responses: { 201: { description: "made", body: tokenMade } },
    async handle({ body: { client, scope, expiresInDays } }) {
      const expiresAt = await momentIn(db, expiresInDays * DAY_MS);
      return answer(201, await insertToken(db, { client, scope, expiresAt }));
    },
  });
}

function rotateRoute(db: Database): Route {
  return defineRoute({
    method: "post",
    path: "/v1/tokens/:id/rotate",
    summary: "Make a successor; the old token works on for the overlap",
    scope: "admin",
    params: idParams,
    body: rotateBody,
    responses: {
      201: { description: "the successor", body: tokenMade },
      404: { description: "no live token of this id", body: problem },
    },
    async handle({ params, body: { overlapHours } }) {
      const made = await db.transaction().execute(async (trx) => {
        const old = await findToken(trx, params.id);
        if (old === undefined || old.revokedAt !== null) throw noToken(params.id);
        await expireTokenBy(trx, old.id, await momentIn(trx, overlapHours * HOUR_MS));
        const expiresAt = await momentIn(trx, SUCCESSOR_DAYS * DAY_MS);
        const { client, scope, userId, device } = old;
        const owner = userId === null || device === null ? {} : { owner: { userId, device } };
        return insertToken(trx, { client, scope, expiresAt, ...owner });
      });
      return answer(201, made);
    },
  });
}

function revokeRoute({ db, followUp }: TokenDeps): Route {
  return defineRoute({
    method: "delete",
    path: "/v1/tokens/:id",
    summary: "End a token now; what a device told of ends with its token",
    scope: "admin",
    params: idParams,
    responses: {
      200: { description: "ended", body: z.object({ revoked: z.uuid() }) },
      404: { description: "no live token of this id", body: problem },
    },
    async handle({ params }) {
      const requested = await db.transaction().execute(async (trx) => {
        if (!(await revokeToken(trx, params.id))) throw noToken(params.id);
        const left = await endCheckoutsOfToken(trx, params.id);
        return requestEnded(trx, left, "checkout");
      });
      followUp.revoke(
        "scope",
        requested.map(({ id }) => id),
      );
      return answer(200, { revoked: params.id });
    },
  });
}

/** By the database's clock, which expiry is read by. */
async function momentIn(db: Queryable, ms: number): Promise<Date> {
  return new Date((await readClock(db)).getTime() + ms);
}

function noToken(id: string): NotFoundError {
  return new NotFoundError(`no live token has the id ${id}`);
}
