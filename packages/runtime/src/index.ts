export {
  type Authenticator,
  type AuthenticatorOptions,
  createAuthenticator,
  type Principal,
  type RecordedSession,
  requireScope,
  type Scope,
  type StaticToken,
} from "./http/auth.ts";
export { type AskedBy, findSessionSecret, identify, requireSameOrigin, SESSION_COOKIE } from "./http/authorize.ts";
export { mediaType, parseJson, readBody } from "./http/body.ts";
export { createKoaApp } from "./http/koa-app.ts";
export { listen, type Listener } from "./http/listen.ts";
export { createProblem, HttpError, isDatabaseAway, type Problem } from "./http/problem.ts";
export { answer, defineRoute, listStatuses, mountRoutes, type Responses, type Route } from "./http/routes.ts";
export {
  formatProblems,
  formatWarnings,
  type LoadedConfiguration,
  loadConfiguration,
  readConfigurationText,
} from "./configuration.ts";
export { type Environment, ENVIRONMENT_VARIABLES, parseEnvironment } from "./environment.ts";
export { createLogger, type Logger } from "./logging.ts";
export { resolveSecrets } from "./secrets.ts";
export { onReloadSignal, openShutdownSignal, waitForAbort } from "./shutdown.ts";
