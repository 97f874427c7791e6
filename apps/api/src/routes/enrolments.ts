/** `/v1/enrolments`: a device becomes a user's by a one-time code (rule B6). */
import { ConflictError, NotFoundError, UnauthorizedError } from "@branchward/core";
import { deviceEnrolled, enrolmentBody, enrolmentMade, problem, redeemBody } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, findUserByUserName, insertEnrolmentCode, redeemEnrolmentCode } from "@branchward/store";
import { createFailureLimit } from "../failure-limit.ts";

/** How long a code waits for its user. */
const CODE_MS = 24 * 3_600_000;

export function createEnrolmentRoutes(db: Database): readonly Route[] {
  return [makeRoute(db), redeemRoute(db)];
}

function makeRoute(db: Database): Route {
  return defineRoute({
    method: "post",
    path: "/v1/enrolments",
    summary: "Make a one-time code by which a user enrols a device; it is answered this once and good for a day",
    scope: "admin",
    body: enrolmentBody,
    responses: {
      201: { description: "made", body: enrolmentMade },
      404: { description: "no such user", body: problem },
      409: { description: "the user is deactivated", body: problem },
    },
    async handle({ body: { user: userName, device, expiresInDays }, principal }) {
      const user = await findUserByUserName(db, userName);
      if (user === undefined)
        throw new NotFoundError(`the directory has no user ${userName}`, { code: "unknown_user" });
      if (!user.active) throw new ConflictError(`${user.userName} is deactivated`, { code: "user_inactive" });
      const made = await insertEnrolmentCode(db, {
        userId: user.id,
        device,
        madeBy: principal?.client ?? "",
        codeMs: CODE_MS,
        tokenDays: expiresInDays,
      });
      return answer(201, { ...made, user: user.userName, device });
    },
  });
}

function redeemRoute(db: Database): Route {
  const limit = createFailureLimit(() => performance.now());
  return defineRoute({
    method: "post",
    path: "/v1/enrolments/redeem",
    summary: "Exchange a one-time code for the device's token, which is answered this once",
    scope: null,
    body: redeemBody,
    responses: {
      201: { description: "enrolled", body: deviceEnrolled },
      401: { description: "the code is unknown, used or over", body: problem },
      429: { description: "too many failures from this address", body: problem },
    },
    async handle({ body: { code, device = null }, address }) {
      limit.check(address);
      const enrolled = await db.transaction().execute((trx) => redeemEnrolmentCode(trx, { code, device }));
      if (enrolled === undefined) {
        limit.fail(address);
        throw new UnauthorizedError("the code is unknown, used, over, or its user is active no more; ask for another", {
          code: "code_invalid",
        });
      }
      const { token, secret, userName } = enrolled;
      return answer(201, { token, secret, user: userName });
    },
  });
}
