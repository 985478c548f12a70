/** One request on its way through the chain: begin before its handler, commit before its answer. */
import type { IncomingMessage, ServerResponse } from "node:http";

import type { Api } from "./api.js";
import type { Owner } from "./body.js";
import { HoldfastError, ServiceUnavailable, UsageError } from "./errors.js";
import { factsOf, isSafe, keyOf, pathOf } from "./facts.js";
import type { Facts } from "./facts.js";
import type { Keep, Keeping, Near } from "./near.js";
import { PRIVATE, replyTo } from "./replies.js";
import type { Headers, Reply } from "./replies.js";
import type { Held, Settled } from "./answer.js";
import { Seen, sessionOver } from "./handle.js";
import type { Token } from "./handle.js";
import { State, deepFreeze } from "./session.js";
import type { Changes, Described, Session, User } from "./session.js";

/** What is kept of a request that was let in. */
export interface Known {
  described: Described;
  text: string;
  via: string | null;
}

export interface Rules {
  csrfHeader: string;
  csrfField: string;
  cookieName: string | undefined;
  freshPaths: readonly string[];
}

interface Begun {
  reply: Reply | null;
  session: Described | null;
  via: string | null;
  proof: string | null;
  keep?: Keep | null;
  /** A commit must follow: a session of another library has just become this one. */
  due?: boolean;
}

interface Committed {
  reply: Reply | null;
  headers: Headers;
  session: Described | null;
  csrf_token: string | null;
}

type Request = IncomingMessage & { body?: unknown; originalUrl?: string };

/** Activity is noted once in this time unless the service says sooner. */
const NOTED_EVERY_MS = 60_000;
const EMPTY = "{}";
const QUIET: Settled = { headers: [] };
const TOUCHED: Settled = { headers: PRIVATE };

export class Visit {
  /** As soon as the request has been let in. */
  state!: State;
  /** Set if the request is refused. */
  reply: Reply | null = null;
  via: string | null = null;
  /** The answer, once handlers have been reached. */
  response: ServerResponse | undefined;
  held: Held | undefined;
  /** The answer has begun, perhaps without the handler that is waited for. */
  begun = false;
  /** Who a guard has let in. */
  user: User | undefined;
  /** That of another chain, within which this one is. */
  outer: Visit | undefined;
  /** Another one is within this one, and handlers may see that. */
  covered = false;
  /** A moment at which the session lived. */
  provedAt = -Infinity;
  /** Set as soon as what the handler has done is on its way. */
  saving: Promise<Settled> | undefined;
  #proof: string | null = null;
  #due = false;
  #kept = false;
  #facts: Facts | undefined;
  #seen: Seen | undefined;
  /** What the handler has made of the session. */
  #saved: Described | null | undefined;
  #session: Session | undefined;

  constructor(
    readonly request: Request,
    readonly api: Api,
    readonly near: Near<Known>,
    readonly rules: Rules,
    readonly websocket = false,
  ) {}

  /** What handlers see of `state`. */
  get session(): Session {
    return (this.#session ??= sessionOver((this.#seen = new Seen(this.state, this))));
  }

  /** Milliseconds for which what is open may outlive its session. */
  get within(): number {
    return this.near.within;
  }

  /** Whose the request is; null: nobody is signed in, or the handler has signed them out. */
  owner(): Owner | null {
    const { described } = this.state;
    const now = this.#saved === undefined ? described : this.#saved;
    return now?.subject == null ? null : { id: now.id, rotation: now.rotation, token: this.token };
  }

  /** The token that the request came with; the service has verified it. */
  get token(): Token | undefined {
    return this.via === "bearer" ? claimsOf(this.request) : undefined;
  }

  /** Judge the request. Without a promise, if nobody needs to be asked. */
  begin(): void | Promise<void> {
    if (this.websocket || !isSafe(this.request.method)) return this.#ask();
    if (this.#nobody()) return this.#see(null, EMPTY, null);
    if (this.#fresh()) return this.#ask();
    const key = keyOf(this.request);
    const known = this.near.find(key);
    return known === undefined ? this.#ask(key) : this.#is(known);
  }

  /** Judge the request anew if what was kept has judged it, as that is no ground for a refusal. */
  async again(): Promise<void> {
    if (this.#kept && !this.#changed()) await this.#ask();
  }

  /** Whether a handler has done something that would be lost. */
  #changed(): boolean {
    try {
      return this.state.changes() !== null;
    } catch {
      return true;
    }
  }

  /**
   * A token for the next unsafe request, and the headers that come with it.
   *
   * @throws HoldfastError the service refuses, or cannot answer.
   */
  async csrfToken(): Promise<{ token: string; headers: Headers }> {
    this.state.accessed = true;
    if (this.state.intent !== null) {
      throw new UsageError("csrfToken: a sign-in, rotation or sign-out is pending; answer first");
    }
    const done = await this.#commit({ csrf_token: true });
    if (done.reply)
      throw new HoldfastError("csrf_token", done.reply.status, "no token: the request is refused");
    return { token: done.csrf_token ?? "", headers: done.headers };
  }

  /** Carry out what the handler did. Without a promise, if it did nothing. */
  settle(status: number): Settled | Promise<Settled> {
    const { state } = this;
    this.begun = state.closed = true;
    let changes: Changes | null;
    try {
      changes = state.changes();
    } catch (error) {
      return refused(error);
    }
    if (changes === null && !this.#due) return state.accessed ? TOUCHED : QUIET;
    return (this.saving = this.#save(status, changes));
  }

  async #save(status: number, changes: Changes | null): Promise<Settled> {
    try {
      const done = await this.#commit({ status, session: this.state.id, ...changes });
      if (done.reply) return { headers: [], reply: done.reply };
      this.#saved = done.session;
      const depends = changes !== null || this.state.accessed;
      return { headers: [...done.headers, ...(depends ? PRIVATE : [])] };
    } catch (error) {
      return refused(error);
    } finally {
      if (this.state.id !== null && changes !== null) this.near.changed(this.state.id);
    }
  }

  #commit(done: object): Promise<Committed> {
    const body = { request: this.#told(), proof: this.#proof, ...done };
    return this.api.commit<Committed>(body);
  }

  async #ask(key?: string): Promise<void> {
    const question = this.near.ask();
    let kept: Keeping<Known> | undefined;
    this.provedAt = question.sent;
    try {
      const body = { request: this.#told(), ...(key === undefined ? {} : { keep: true }) };
      const { status, body: begun, date } = await this.api.begin<Begun>(body);
      if (status !== 200) throw new ServiceUnavailable(`status ${status} to a request`, "store_error");
      this.#judged(begun, date);
      const { session, keep } = begun;
      if (key !== undefined && session?.subject && keep && this.reply === null) {
        const value = { described: frozen(session), text: this.state.text, via: begun.via };
        kept = { key, id: session.id, keep: this.#bounded(keep), value };
      }
    } catch (error) {
      this.reply = refused(error).reply ?? null;
    } finally {
      this.near.answered(question, kept);
    }
  }

  #judged(begun: Begun, date: number): void {
    this.#kept = false;
    this.reply = begun.reply;
    if (begun.reply !== null) return;
    this.#proof = begun.proof;
    const { session, keep } = begun;
    this.#see(session, JSON.stringify(session?.data ?? {}), begun.via);
    if (session === null) return;
    const idle = date + 1000 - Date.parse(session.last_seen_at);
    this.#due = begun.due === true || idle >= Math.min(keep?.for_ms ?? NOTED_EVERY_MS, NOTED_EVERY_MS);
  }

  #is(known: Known): void {
    this.#kept = true;
    this.provedAt = this.near.provedAt;
    this.#see(known.described, known.text, known.via);
  }

  #see(described: Described | null, text: string, via: string | null): void {
    this.via = via;
    this.state = new State(described, text);
    this.state.closed = this.begun;
    // Who has taken the session already goes on with what it is now.
    if (this.#seen !== undefined) this.#seen.state = this.state;
  }

  /** A token ends by itself, whatever is heard of its session. The service has verified it. */
  #bounded(keep: Keep): Keep {
    if (this.via !== "bearer") return keep;
    const exp = claimsOf(this.request)?.exp ?? 0;
    return { ...keep, for_ms: Math.min(keep.for_ms, exp * 1000 - Date.now()) };
  }

  #told(): Facts {
    if (this.#facts === undefined) {
      const { csrfField, csrfHeader } = this.rules;
      this.#facts = factsOf(this.request, csrfHeader);
      const { body } = this.request;
      const field =
        body && typeof body === "object" ? (body as Record<string, unknown>)[csrfField] : undefined;
      if (typeof field === "string" && !(csrfHeader in this.#facts.headers)) this.#facts.form_token = field;
      if (this.websocket) this.#facts.websocket = true;
    }
    return this.#facts;
  }

  /** Whether no credential was sent, which nobody needs to be asked about. */
  #nobody(): boolean {
    const { authorization, cookie } = this.request.headers;
    if (authorization !== undefined) return false;
    const name = this.rules.cookieName;
    return cookie === undefined || (name !== undefined && !cookie.includes(`${name}=`));
  }

  #fresh(): boolean {
    const { freshPaths } = this.rules;
    if (freshPaths.length === 0) return false;
    const path = pathOf(this.request).toLowerCase();
    // As Express reads it: in either case, with one slash more, and also after a scheme and a host.
    if (!path.startsWith("/")) return true;
    return freshPaths.some((each) => path === each || path === `${each}/` || below(path, each));
  }
}

function below(path: string, folder: string): boolean {
  return folder.endsWith("/") && path.startsWith(folder);
}

/** What the token says that was sent. */
function claimsOf(request: IncomingMessage): (Token & { exp: number }) | undefined {
  const part = request.headers.authorization?.split(".")[1] ?? "";
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString()) as Token & { exp: number };
  } catch {
    return undefined;
  }
}

function refused(error: unknown): Settled {
  return { headers: [], reply: replyTo(error) };
}

/** Handlers of several requests are given the same. */
function frozen(session: Described): Described {
  deepFreeze(session.claims);
  return session;
}
