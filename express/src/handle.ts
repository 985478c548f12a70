/** A session as handlers see it: properties are data, but for the names of `Session` itself. */
import { UsageError } from "./errors.js";
import type { Session, State, User } from "./session.js";

/** Names that are never data when they are used as a property; `get` and `set` reach such data. */
const OWN = new Set([
  ...["id", "subject", "claims", "createdAt", "authenticatedAt", "user", "signIn", "signOut"],
  ...["destroy", "rotate", "regenerate", "save", "clear", "get", "set", "delete", "toJSON", "then"],
  ...["constructor", "__proto__", "toString", "valueOf", "cookie"],
]);

/** The access token that a request came with, as far as it is no credential; times in seconds. */
export interface Token {
  jti: string;
  iat: number;
}

/** What a session is over; another state comes when a guard has asked again. */
export class Seen {
  // Private, as logs show the rest: a visit leads to its request, with its cookies.
  readonly #visit: { readonly token: Token | undefined };

  constructor(
    public state: State,
    visit: { readonly token: Token | undefined },
  ) {
    this.#visit = visit;
  }

  get token(): Token | undefined {
    return this.#visit.token;
  }
}

const TOKEN = Symbol("holdfast.token");

const HANDLER: ProxyHandler<Seen> = {
  get(seen, name) {
    const { state } = seen;
    state.accessed = true;
    if (name === TOKEN) return seen.token;
    if (typeof name === "symbol" || OWN.has(name)) return own(state, name);
    return state.get(name);
  },
  set({ state }, name, value) {
    state.accessed = true;
    if (name === "user") state.user = value as User | null;
    else if (typeof name === "symbol" || OWN.has(name)) {
      throw new UsageError(`session.${String(name)} is not data; store it with session.set`);
    } else state.set(name, value);
    return true;
  },
  has: ({ state }, name) => typeof name === "string" && (OWN.has(name) || state.has(name)),
  deleteProperty({ state }, name) {
    state.accessed = true;
    if (name === "user") state.signOut();
    else if (typeof name === "string") state.delete(name);
    return true;
  },
  defineProperty(seen, name, { value }) {
    return HANDLER.set?.(seen, name, value as unknown, seen) ?? false;
  },
  ownKeys({ state }) {
    state.accessed = true;
    return state.names().filter((name) => !OWN.has(name));
  },
  getOwnPropertyDescriptor({ state }, name) {
    if (typeof name === "symbol" || OWN.has(name) || !state.has(name)) return undefined;
    return { value: state.get(name), writable: true, enumerable: true, configurable: true };
  },
  getPrototypeOf: () => Object.prototype,
  setPrototypeOf: () => false,
  preventExtensions: () => false,
};

/** The session over this state. */
export function sessionOver(seen: Seen): Session {
  return new Proxy(seen, HANDLER) as unknown as Session;
}

/** The token that a session was opened with; undefined: a cookie, or nothing. */
export function tokenOf(session: Session): Token | undefined {
  return (session as { [TOKEN]?: Token })[TOKEN];
}

function own(state: State, name: string | symbol): unknown {
  if (name === "constructor") return Object;
  if (typeof name === "symbol" || name === "then" || name === "__proto__" || name === "cookie")
    return undefined;
  const value = (state as unknown as Record<string, unknown>)[name];
  return typeof value === "function" ? (value.bind(state) as unknown) : value;
}
