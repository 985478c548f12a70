/** The chain of the specification as Express middleware: cookie, session, CSRF, rate limit, guards. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { Api } from "./api.js";
import { holdBody, isComing } from "./body.js";
import { Changes } from "./changes.js";
import { carry, enter, showSession, showUser, visitOf } from "./equip.js";
import { ConfigurationError, HoldfastError, Refused, UsageError } from "./errors.js";
import { authorizationOf } from "./facts.js";
import { tokenOf } from "./handle.js";
import { SessionManager } from "./manager.js";
import type { Payload } from "./manager.js";
import { Near } from "./near.js";
import { CHALLENGE, errorReply, replyTo, send, textOf } from "./replies.js";
import type { Reply } from "./replies.js";
import type { Session, User } from "./session.js";
import { Sockets } from "./sockets.js";
import type { Closable } from "./sockets.js";
import type { KeyOptions } from "./verify.js";
import { Visit } from "./visit.js";
import type { Known, Rules } from "./visit.js";

export interface Options extends KeyOptions {
  /** The address of the service. */
  url: string;
  /** What `holdfast service-key NAME` has printed, with the scopes sessions, tokens, requests, changes. */
  serviceKey: string;
  /** Whether plain HTTP may be used to another machine than this. */
  allowPlainHttp?: boolean;
  /** Milliseconds for which an ended session may still be let in; 0: the service is asked each time. */
  maxAge?: number;
  /** Sessions, and tokens, that are kept near at most. */
  maxKept?: number;
  /** Milliseconds for one answer of the service. */
  timeout?: number;
  /** Of the session cookie. With it, requests with other cookies only cost no call. */
  cookieName?: string;
  /** Paths for which the service is always asked; one that ends with a slash stands for all below it. */
  freshPaths?: readonly string[];
  /** As in the settings of the service. */
  csrfHeader?: string;
  csrfField?: string;
}

/** What the chain puts on a request. */
export interface HoldfastRequest extends IncomingMessage {
  session: Session;
  /** Who is signed in, for handlers behind a guard. */
  user?: User | Payload;
  /** A token for the visitor's next unsafe request: header `X-CSRF-Token`, form field `csrf_token`. */
  csrfToken(): Promise<string>;
}

export type Next = (error?: unknown) => void;
/** Middleware for Express 4 and 5, and for whatever else calls `(req, res, next)`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whichever types of requests are used
export type Middleware = (request: any, response: any, next: Next) => void;
/** The same for errors. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
export type ErrorMiddleware = (error: unknown, request: any, response: any, next: Next) => void;

/** The chain, ready for `app.use`, with guards and tools beside it. */
export interface Holdfast extends Middleware {
  /** The specification's tokens. */
  readonly sessionManager: SessionManager;
  /** Only for who is signed in, by cookie or token: otherwise 401. Sets `req.user`. */
  readonly requireAuth: Middleware;
  /** Only for whose claim `role` is, or holds, this: otherwise 401 or 403. */
  requireRole(role: string): Middleware;
  /**
   * Who is signed in, behind a guard. For TypeScript, to which `req.user` may be undefined everywhere.
   *
   * @throws Refused 401: no guard has let anybody in.
   */
  userOf(request: { user?: User | Payload }): User;
  /** The specification's guard for bearer tokens, which needs no chain before it. */
  readonly authMiddleware: Middleware;
  /** Answers errors of this package as JSON with their code; behind all routes. */
  readonly errors: ErrorMiddleware;
  /** Judge a WebSocket handshake: its session, or null if it was refused, and the socket closed. */
  upgrade(request: IncomingMessage, socket: Duplex): Promise<Session | null>;
  /** Close a socket (code 4401) or stream when the session ends; the result lets go of it. */
  closeWhenEnded(socket: Closable, session: Session): () => void;
  /** Let go of connections and timers. */
  close(): void;
  /**
   * For tests and metrics: whether the change stream proves what is kept, and how much that is; and the
   * milliseconds for which a change may have gone unheard, infinite while nothing is proved.
   */
  readonly status: { readonly live: boolean; readonly kept: number; readonly age: number };
}

/**
 * The chain over a Holdfast service.
 *
 * @throws ConfigurationError an option cannot be used.
 */
export function holdfast(options: Options): Holdfast {
  const { maxAge = 1000, maxKept = 10_000 } = options;
  if (!(maxAge >= 0) || !(maxKept >= 0)) throw new ConfigurationError("maxAge, maxKept: are not negative");
  const api = new Api(options);
  const changes = new Changes(api, maxAge);
  const parts: Parts = {
    api,
    changes,
    near: new Near<Known>(changes, maxKept),
    sockets: new Sockets(api, changes),
    manager: new SessionManager(api, new Near<Payload>(changes, maxKept), options),
    rules: {
      csrfHeader: (options.csrfHeader ?? "X-CSRF-Token").toLowerCase(),
      csrfField: options.csrfField ?? "csrf_token",
      cookieName: options.cookieName,
      freshPaths: (options.freshPaths ?? []).map((each) => each.toLowerCase()),
    },
  };
  if (maxAge > 0 && maxKept > 0) changes.start();
  return assembled(parts);
}

interface Parts {
  api: Api;
  changes: Changes;
  near: Near<Known>;
  sockets: Sockets;
  manager: SessionManager;
  rules: Rules;
}

function assembled(parts: Parts): Holdfast {
  const { api, changes, near, sockets, manager } = parts;
  return Object.assign(chain(parts), {
    sessionManager: manager,
    requireAuth: guard(near, () => null),
    requireRole(role: string) {
      // With the call forgotten, Express itself would call this with a request.
      if (typeof role !== "string") throw new UsageError("requireRole: is called with a role");
      return guard(near, (user) => (holds(user["role"], role) ? null : forbidden()));
    },
    userOf,
    authMiddleware: bearerGuard(parts),
    errors: answerErrors,
    upgrade: (request: IncomingMessage, socket: Duplex) => upgrade(parts, request, socket),
    closeWhenEnded(socket: Closable, session: Session) {
      if (session.id === null) throw new UsageError("closeWhenEnded: nobody is signed in");
      changes.start();
      return sockets.hold(socket, session.id, tokenOf(session));
    },
    close() {
      changes.close();
      sockets.close();
      api.close();
    },
    status: {
      get live() {
        return changes.live;
      },
      get kept() {
        return near.size;
      },
      get age() {
        return performance.now() - changes.proved;
      },
    },
  });
}

function chain({ api, near, rules }: Parts): Middleware {
  return (request: HoldfastRequest, response: ServerResponse, next: Next) => {
    const visit = new Visit(request, api, near, rules);
    if (!carry(request, visit)) return next();
    const begun = visit.begin();
    if (begun === undefined) return go(visit, response, next);
    begun
      .then(() => {
        // Somebody gave up meanwhile, and has answered: nothing is left to be handled.
        if (!response.headersSent) go(visit, response, next);
      })
      .catch(next);
    return undefined;
  };
}

function go(visit: Visit, response: ServerResponse, next: Next): void {
  if (visit.reply !== null) return send(response, visit.reply);
  enter(visit.request, response, visit);
  return next();
}

function guard(near: Near<Known>, refuse: (user: User) => Reply | null): Middleware {
  const judge = (request: HoldfastRequest, visit: Visit): Reply | null => {
    const { state } = visit;
    state.accessed = true;
    const { user } = state;
    if (!user) return unauthorized(request);
    showUser(request, visit, user);
    return refuse(user);
  };
  return (request: HoldfastRequest, response: ServerResponse, next: Next) => {
    const visit = visitOf(request, near);
    if (judge(request, visit) === null) return next();
    // What was kept may admit somebody, and is no ground for refusing anybody.
    visit
      .again()
      .then(() => {
        if (visit.begun) return undefined;
        showSession(request, visit);
        const reply = visit.reply ?? judge(request, visit);
        return reply === null ? next() : send(response, reply);
      })
      .catch(next);
    return undefined;
  };
}

function userOf({ user }: { user?: User | Payload }): User {
  if (user !== undefined && "id" in user) return user as User;
  throw new Refused("unauthenticated", 401, "userOf: nobody is signed in; put a guard before the handler");
}

function bearerGuard({ api, near, manager }: Parts): Middleware {
  return (request: HoldfastRequest, response: ServerResponse, next: Next) => {
    const token = /^bearer +(.+)$/i.exec(authorizationOf(request) ?? "")?.[1];
    if (token === undefined) {
      return send(
        response,
        errorReply(401, "no_token", "No token provided", ["WWW-Authenticate", CHALLENGE]),
      );
    }
    manager
      .verifyToken(token)
      .then(({ payload, error }) => {
        if (response.headersSent) return undefined;
        if (payload === null) return send(response, invalid(error));
        request.user = { ...payload, id: payload.sub };
        if (isComing(request)) {
          const { provedAt, within } = near;
          const owner = { id: payload.sid, token: payload };
          holdBody(request, { api, provedAt, within, owner: () => owner }, (error) => {
            if (response.headersSent) return false;
            send(response, replyTo(error));
            return true;
          });
        }
        return next();
      })
      .catch((error: unknown) => answerErrors(error, request, response, next));
    return undefined;
  };
}

function answerErrors(error: unknown, _request: unknown, response: ServerResponse, next: Next): void {
  if (!(error instanceof HoldfastError)) return next(error);
  // Refused while its body came: who was reading that hears of it as well.
  if (response.writableEnded && error.status !== 500) return undefined;
  if (response.headersSent) return next(error);
  return send(response, replyTo(error));
}

async function upgrade(parts: Parts, request: IncomingMessage, socket: Duplex): Promise<Session | null> {
  const visit = new Visit(request, parts.api, parts.near, parts.rules, true);
  // A client that goes meanwhile is no error of anybody's, and unheard it would end the process.
  const gone = (): unknown => socket.destroy();
  socket.on("error", gone);
  await visit.begin();
  if (socket.destroyed) return null;
  const reply = visit.reply ?? (visit.session.subject === null ? unauthorized(request) : null);
  if (reply === null) {
    socket.off("error", gone);
    visit.state.closed = true;
    return visit.session;
  }
  // The server leaves such sockets half open, and has no time limit for them any more.
  socket.once("finish", gone);
  socket.end(textOf(reply));
  return null;
}

function unauthorized(request: IncomingMessage): Reply {
  const bearer = /^bearer( |$)/i.test(request.headers.authorization ?? "");
  const challenge = bearer ? `${CHALLENGE}, error="invalid_token"` : CHALLENGE;
  return errorReply(401, "unauthenticated", undefined, ["WWW-Authenticate", challenge]);
}

function invalid(error: string): Reply {
  const code = error.toLowerCase().replaceAll(" ", "_");
  const challenge = `${CHALLENGE}, error="invalid_token"`;
  return errorReply(401, code, error, ["WWW-Authenticate", challenge]);
}

function forbidden(): Reply {
  return errorReply(403, "forbidden");
}

function holds(held: unknown, role: string): boolean {
  return held === role || (Array.isArray(held) && held.includes(role));
}
