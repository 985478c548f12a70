/** The specification's `SessionManager`, over the service. */
import type { IncomingMessage } from "node:http";

import type { Api } from "./api.js";
import { Refused, UsageError } from "./errors.js";
import { digest } from "./facts.js";
import type { Keep, Keeping, Near } from "./near.js";
import { deepFreeze } from "./session.js";
import type { Session } from "./session.js";
import { LocalKeys, unverified } from "./verify.js";
import type { KeyOptions } from "./verify.js";

export interface Tokens {
  accessToken: string;
  refreshToken: string;
  /** Seconds. */
  expiresIn: number;
  tokenType: "Bearer";
}

/** What a token says. `userId` is its `sub`. */
export interface Payload {
  userId: string;
  sub: string;
  sid: string;
  jti: string;
  type: "access" | "refresh";
  iat: number;
  exp: number;
  [claim: string]: unknown;
}

export type TokenError = "Invalid token type" | "Token expired" | "Invalid token";
export type Verified = { payload: Payload; error: null } | { payload: null; error: TokenError };
export type Refreshed = { tokens: Tokens; error: null } | { tokens: null; error: TokenError };

interface Pair {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

interface Page {
  sessions: { id: string }[];
  after: string | null;
}

interface Judged {
  claims: { sid: string } | null;
  reason: string | null;
  keep?: Keep | null;
}

const ERRORS: Record<string, TokenError> = {
  wrong_type: "Invalid token type",
  token_expired: "Token expired",
};

/** What a token is made of. Other text, such as half a character, the service could not even read. */
const SHAPE = /^[\w.-]*$/;

/** Who asks: a request of Express, or of Node alone. */
export interface By {
  request?: IncomingMessage & { ip?: string | undefined };
}

/** Makes, verifies, refreshes and ends tokens. All of it rejects with a 503 error in an outage. */
export class SessionManager {
  readonly #api: Api;
  readonly #near: Near<Payload>;
  readonly #keys: LocalKeys;

  /** @internal Use `holdfast(…).sessionManager`. */
  constructor(api: Api, near: Near<Payload>, keys: KeyOptions & { allowPlainHttp?: boolean }) {
    this.#api = api;
    this.#near = near;
    this.#keys = new LocalKeys(keys, keys.allowPlainHttp);
  }

  /**
   * Tokens for a user, who gets a session of their own; `role` and `email` become claims.
   *
   * With the request of the sign-in the session has an address and a name in the list of devices, and a
   * refresh token that is used again inside the grace is known as another device's.
   */
  async generateTokens(userId: string, email?: string, role = "user", { request }: By = {}): Promise<Tokens> {
    const claims = email === undefined ? { role } : { email, role };
    const body = { subject: userId, claims, ...clientOf(request) };
    return pair(await this.#api.get<Pair>("POST", "/tokens", body));
  }

  /** Tokens for a session that there is: they end with it. */
  async issueTokens(session: Session): Promise<Tokens> {
    if (session.id === null) throw new UsageError("issueTokens: the session is not stored yet");
    return pair(await this.#api.get<Pair>("POST", "/tokens", { session: session.id }));
  }

  /**
   * What a token means; also whether its session lives and it was not revoked.
   *
   * A token that was seen lately costs no call, nor does one whose signature is wrong where the keys
   * are known here. `stateless` leaves the session out.
   */
  async verifyToken(
    token: string,
    tokenType: "access" | "refresh" = "access",
    { stateless = false }: { stateless?: boolean } = {},
  ): Promise<Verified> {
    if (!isTokenLike(token)) return { payload: null, error: "Invalid token" };
    const local = await this.#keys.verify(token, tokenType);
    if (typeof local === "string") return { payload: null, error: local };
    if (stateless && local !== null) return { payload: withUser(local), error: null };
    if (tokenType === "refresh" || stateless) return verdict(await this.#judge(token, tokenType, stateless));
    const key = digest(token);
    const known = this.#near.find(key);
    if (known !== undefined && known.exp * 1000 > Date.now()) return { payload: known, error: null };
    return this.#ask(token, key);
  }

  /** Whether a `jti` counts no more: revoked, or its session is over. */
  async isTokenBlacklisted(jti: string): Promise<boolean> {
    const { revoked } = await this.#api.get<{ revoked: boolean }>("POST", "/tokens/status", { jti });
    return revoked;
  }

  /** End one token, until it would have expired. */
  async blacklistToken(jti: string): Promise<boolean> {
    try {
      const done = await this.#api.get<{ revoked: boolean }>("POST", "/tokens/revoke", { jti });
      return done.revoked;
    } finally {
      // Also when it was done and is not proved.
      this.#near.changed(jti.split(".")[0] ?? "");
    }
  }

  /** End the session of a valid token with every credential of it; false: it was none. */
  async logout(token: string): Promise<boolean> {
    if (!isTokenLike(token)) return false;
    const type = unverified(token)?.["type"] === "refresh" ? "refresh" : "access";
    const { claims } = await this.#judge(token, type, false);
    if (claims === null) return false;
    try {
      await this.#api.get("DELETE", `/sessions/${encodeURIComponent(claims.sid)}`);
      return true;
    } finally {
      this.#near.changed(claims.sid);
    }
  }

  /**
   * End all sessions of a user with every credential of them, but `keep`; how many that were.
   *
   * Here they are over at once, in other processes within the age of what they keep.
   */
  async logoutEverywhere(userId: string, { keep }: { keep?: string } = {}): Promise<number> {
    const ids = await this.#idsOf(userId);
    const query = new URLSearchParams({ subject: userId, ...(keep === undefined ? {} : { keep }) });
    try {
      const done = await this.#api.get<{ ended: number }>("DELETE", `/sessions?${query}`);
      return done.ended;
    } finally {
      for (const id of ids) this.#near.changed(id);
    }
  }

  /** New tokens for a refresh token, which is used up; `request` as with `generateTokens`. */
  async refreshAccessToken(refreshToken: string, { request }: By = {}): Promise<Refreshed> {
    if (!isTokenLike(refreshToken)) return { tokens: null, error: "Invalid token" };
    try {
      const body = { refresh_token: refreshToken, ...clientOf(request) };
      return { tokens: pair(await this.#api.get<Pair>("POST", "/tokens/refresh", body)), error: null };
    } catch (error) {
      if (!(error instanceof Refused && error.status === 401)) throw error;
      const type = unverified(refreshToken)?.["type"];
      return { tokens: null, error: type === "access" ? "Invalid token type" : "Invalid token" };
    }
  }

  async #idsOf(userId: string): Promise<string[]> {
    const ids: string[] = [];
    let after: string | null = null;
    do {
      const query = new URLSearchParams({ subject: userId, ...(after === null ? {} : { after }) });
      const page: Page = await this.#api.get<Page>("GET", `/sessions?${query}`);
      ids.push(...page.sessions.map(({ id }) => id));
      ({ after } = page);
    } while (after !== null);
    return ids;
  }

  async #ask(token: string, key: string): Promise<Verified> {
    const question = this.#near.ask();
    let kept: Keeping<Payload> | undefined;
    try {
      const judged = await this.#judge(token, "access", false, true);
      const answer = verdict(judged);
      const { payload } = answer;
      if (payload !== null && judged.keep) kept = { key, id: payload.sid, keep: judged.keep, value: payload };
      return answer;
    } finally {
      this.#near.answered(question, kept);
    }
  }

  async #judge(token: string, type: string, stateless: boolean, keep = false): Promise<Judged> {
    return this.#api.get<Judged>("POST", "/tokens/verify", { token, type, stateless, keep });
  }
}

/** Whether it can be one at all; what comes from a client's JSON may be anything. */
function isTokenLike(token: unknown): token is string {
  return typeof token === "string" && SHAPE.test(token);
}

/** What the service is told of a client; behind a proxy the address is that of Express' `trust proxy`. */
function clientOf(request: By["request"]): object {
  if (request === undefined) return {};
  const address = request.ip ?? request.socket.remoteAddress ?? null;
  return { client: { address, user_agent: request.headers["user-agent"] ?? null } };
}

function verdict({ claims, reason }: Judged): Verified {
  if (claims === null) return { payload: null, error: ERRORS[reason ?? ""] ?? "Invalid token" };
  return { payload: withUser(claims), error: null };
}

function withUser(claims: object): Payload {
  const payload = claims as Payload;
  const shown = { ...payload, userId: payload.sub };
  deepFreeze(shown);
  return shown;
}

function pair(made: Pair): Tokens {
  return {
    accessToken: made.access_token,
    refreshToken: made.refresh_token,
    expiresIn: made.expires_in,
    tokenType: "Bearer",
  };
}
