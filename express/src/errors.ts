/** What can go wrong, each with the stable code and status that a client gets. */

/** Base of all errors of this package. The message is for logs and holds no token and no data. */
export class HoldfastError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    /** Seconds after which another try makes sense. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = new.target.name;
  }

  /** For Express' own error handler, which looks for it. */
  get headers(): Record<string, string> {
    return this.retryAfter === undefined ? {} : { "Retry-After": String(this.retryAfter) };
  }
}

/** An option is missing or wrong; the message names it. */
export class ConfigurationError extends HoldfastError {
  constructor(message: string) {
    super("configuration_error", 500, message);
  }
}

/** The service cannot answer: "cannot know", which never looks like "not signed in". */
export class ServiceUnavailable extends HoldfastError {
  constructor(message: string, code = "store_unavailable", retryAfter = 1) {
    super(code, 503, message, retryAfter);
  }
}

/** The service refused what was asked of it; `code` and `status` are its own. */
export class Refused extends HoldfastError {}

/** A session was changed after its answer had begun: the change could no longer be saved. */
export class SessionClosed extends HoldfastError {
  constructor() {
    super("session_closed", 500, "the answer has begun; change the session before the first byte is sent");
  }
}

/** Something was called at the wrong time, or with what cannot be. */
export class UsageError extends HoldfastError {
  constructor(message: string) {
    super("usage_error", 500, message);
  }
}
