/** Sessions for Express, kept by a Holdfast service. */
export {
  ConfigurationError,
  HoldfastError,
  Refused,
  ServiceUnavailable,
  SessionClosed,
  UsageError,
} from "./errors.js";
export { holdfast } from "./holdfast.js";
export type { ErrorMiddleware, Holdfast, HoldfastRequest, Middleware, Next, Options } from "./holdfast.js";
export { SessionManager } from "./manager.js";
export type { By, Payload, Refreshed, TokenError, Tokens, Verified } from "./manager.js";
export type { Callback, Session, SignInOptions, User } from "./session.js";
export { ENDED } from "./sockets.js";
export type { Closable } from "./sockets.js";
