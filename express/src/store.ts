/**
 * A store for `express-session`, for who stays with it: its sessions are kept by a Holdfast service.
 *
 * `express-session` has ids of its own. Each is the subject of one session here, under its hash, so
 * what the service stores is no cookie. Sessions of the store end by `destroy`, with their cookie, or
 * at the limits of the service, whichever comes first.
 */
import { Store } from "express-session";
import type { Session, SessionData } from "express-session";

import { Api } from "./api.js";
import type { ApiOptions } from "./api.js";
import { Changes } from "./changes.js";
import { digest } from "./facts.js";
import { absent, living, unlessGone } from "./gone.js";
import type { Keep } from "./near.js";
import { Near } from "./near.js";

export interface StoreOptions extends ApiOptions {
  /** Tells the sessions of one application from those of another. */
  prefix?: string;
  /** Milliseconds for which an ended session may still be believed in; 0: the service is asked each time. */
  maxAge?: number;
}

type Done = (error?: unknown) => void;
type Found<T> = (error: unknown, found?: T) => void;
type Data = Record<string, unknown>;
type Request = Parameters<Store["createSession"]>[0];

interface Listed {
  id: string;
  subject: string | null;
  data?: Data | null;
  keep?: Keep | null;
}

const MOST = 10_000;
const TOUCH_MS = 60_000;

export class HoldfastStore extends Store {
  readonly #api: Api;
  readonly #changes: Changes;
  readonly #near: Near<string>;
  readonly #prefix: string;
  /** Ids of the service by those of express-session; what was destroyed here has null. */
  readonly #ids = new Map<string, string | null>();
  /** Ids that were made here: another process may have made one for the same id of express-session. */
  readonly #made = new Map<string, string>();
  readonly #touched = new Map<string, number>();
  /** Writes of one session go one after another, so that the last one stays. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Which session of the service a request has read. */
  readonly #read = new WeakMap<object, string>();

  constructor(options: StoreOptions) {
    super();
    this.#api = new Api(options);
    this.#changes = new Changes(this.#api, options.maxAge ?? 1000);
    this.#near = new Near(this.#changes, MOST);
    this.#prefix = `express-session:${options.prefix ?? ""}:`;
    if (options.maxAge !== 0) this.#changes.start();
  }

  override get(sid: string, found: Found<SessionData | null>): void {
    finish(this.#get(sid), found);
  }

  override set(sid: string, session: SessionData, done: Done = nothing): void {
    finish(this.#save(sid, session), done);
  }

  override destroy(sid: string, done: Done = nothing): void {
    const id = this.#ids.get(sid);
    this.#remember(sid, null);
    finish(
      this.#inTurn(sid, () => this.#destroy(sid, id)),
      done,
    );
  }

  override touch(sid: string, session: SessionData, done: Done = nothing): void {
    finish(
      this.#inTurn(sid, () => this.#touch(sid, session)),
      done,
    );
  }

  override all(found: Found<SessionData[]>): void {
    finish(this.#all(), found);
  }

  override length(found: Found<number>): void {
    finish(
      this.#all().then((all) => all.length),
      found,
    );
  }

  override clear(done: Done = nothing): void {
    finish(this.#clear(), done);
  }

  override createSession(request: Request, session: SessionData): Session & SessionData {
    const made = super.createSession(request, session);
    const id = this.#ids.get(request.sessionID);
    if (id) this.#read.set(made, id);
    return made;
  }

  /** Let go of connections. */
  close(): void {
    this.#changes.close();
    this.#api.close();
  }

  async #get(sid: string): Promise<SessionData | null> {
    // Destroyed here: that is not to be answered by what is kept until the service has answered, too.
    if (this.#ids.get(sid) === null) return null;
    const known = this.#near.find(sid);
    if (known !== undefined) return living(JSON.parse(known) as SessionData);
    const id = this.#ids.get(sid) ?? (await this.#find(sid));
    if (!id) return null;
    const read = await this.#readFrom(sid, id);
    const other = read === null ? await this.#other(sid, id) : null;
    return other === null ? read : this.#readFrom(sid, other);
  }

  async #readFrom(sid: string, id: string): Promise<SessionData | null> {
    const question = this.#near.ask();
    let kept;
    try {
      const { status, body } = await this.#api.ask<Listed>("GET", `/sessions/${id}`);
      if (status !== 200) return absent(status);
      if (!body.data) return null;
      const text = JSON.stringify(body.data);
      if (body.keep) kept = { key: sid, id, keep: body.keep, value: text };
      return living(JSON.parse(text) as SessionData);
    } finally {
      this.#near.answered(question, kept);
    }
  }

  /** As it is now: what is changed while earlier writes are under way was not saved. */
  async #save(sid: string, session: SessionData): Promise<void> {
    const data = JSON.parse(JSON.stringify(session)) as Data;
    await this.#inTurn(sid, () => this.#set(sid, session, data));
  }

  async #set(sid: string, session: SessionData, data: Data): Promise<void> {
    const id = this.#read.get(session) ?? this.#ids.get(sid);
    if (id === null) return; // destroyed: a late write does not revive
    const known = id ?? (await this.#find(sid));
    const living = known === null ? await this.#make(sid, data) : await this.#changed(sid, known, data);
    if (living !== null) this.#read.set(session, living);
  }

  /** Change it, or the one that took its place; null: there is none any more. */
  async #changed(sid: string, id: string, data: Data): Promise<string | null> {
    if (await this.#change(id, data)) return id;
    const other = await this.#other(sid, id);
    if (other !== null) await this.#change(other, data);
    return other;
  }

  /** Make the session; which one stays if another process has made one as well. */
  async #make(sid: string, data: Data): Promise<string | null> {
    const body = { subject: this.#subject(sid), data };
    const made = await this.#api.get<{ session: Listed }>("POST", "/sessions", body);
    const { id } = made.session;
    if (this.#ids.get(sid) === null) {
      await this.#end(id);
      return null;
    }
    bounded(this.#made, sid, id);
    const [first = id, ...more] = await this.#listedOf(sid);
    for (const each of more) await unlessGone(this.#end(each));
    if (this.#ids.get(sid) === null) return null; // destroyed meanwhile, with all of them
    this.#remember(sid, first);
    if (first !== id) await this.#change(first, data);
    return first;
  }

  /** The session in whose favour another process has ended the one that was made here; null: there is none. */
  async #other(sid: string, id: string): Promise<string | null> {
    if (this.#made.get(sid) !== id) return null;
    this.#made.delete(sid);
    return this.#find(sid);
  }

  /** @return false if it has ended meanwhile: a late write does not revive. */
  async #change(id: string, data: Data): Promise<boolean> {
    const { status, body } = await this.#api.ask<Listed>("GET", `/sessions/${id}`);
    if (status === 404) return false;
    const gone = Object.keys(body.data ?? {}).filter((name) => !Object.hasOwn(data, name));
    const changed = await unlessGone(this.#api.get("PATCH", `/sessions/${id}`, { set: data, delete: gone }));
    this.#near.changed(id);
    return changed;
  }

  async #touch(sid: string, session: SessionData): Promise<void> {
    const id = this.#read.get(session) ?? this.#ids.get(sid);
    const every = Math.min(TOUCH_MS, (session.cookie.originalMaxAge ?? Infinity) / 10);
    if (!id || performance.now() - (this.#touched.get(sid) ?? -Infinity) < every) return;
    bounded(this.#touched, sid, performance.now());
    const { cookie } = JSON.parse(JSON.stringify(session)) as Data;
    await unlessGone(this.#api.get("PATCH", `/sessions/${id}`, { set: { cookie } }));
    this.#near.changed(id);
  }

  async #destroy(sid: string, id: string | null | undefined): Promise<void> {
    try {
      await this.#api.get("DELETE", `/sessions?subject=${encodeURIComponent(this.#subject(sid))}`);
    } finally {
      if (id) this.#near.changed(id);
    }
  }

  async #end(id: string): Promise<void> {
    await this.#api.get("DELETE", `/sessions/${id}`);
    this.#near.changed(id);
  }

  async #find(sid: string): Promise<string | null> {
    if (this.#ids.get(sid) === null) return null;
    const [id] = await this.#listedOf(sid);
    if (id !== undefined && this.#ids.get(sid) !== null) this.#remember(sid, id);
    return id ?? null;
  }

  /** Those of one id of express-session, of which every process takes the same for the first. */
  async #listedOf(sid: string): Promise<string[]> {
    const path = `/sessions?subject=${encodeURIComponent(this.#subject(sid))}`;
    const { sessions } = await this.#api.get<{ sessions: Listed[] }>("GET", path);
    return sessions.map(({ id }) => id).sort();
  }

  async *#listed(): AsyncGenerator<Listed> {
    for (let after = ""; ;) {
      const path = `/sessions?prefix=${encodeURIComponent(this.#prefix)}${after}`;
      const page = await this.#api.get<{ sessions: Listed[]; after: string | null }>("GET", path);
      yield* page.sessions;
      if (page.after === null) return;
      after = `&after=${encodeURIComponent(page.after)}`;
    }
  }

  async #all(): Promise<SessionData[]> {
    const all: SessionData[] = [];
    for await (const { id } of this.#listed()) {
      const { status, body } = await this.#api.ask<Listed>("GET", `/sessions/${id}`);
      const session = status === 200 && body.data ? living(body.data as unknown as SessionData) : null;
      if (session !== null) all.push(session);
    }
    return all;
  }

  async #clear(): Promise<void> {
    for await (const { id } of this.#listed()) await this.#end(id);
  }

  #inTurn(sid: string, write: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(sid) ?? Promise.resolve()).then(write, write);
    this.#turns.set(sid, turn);
    const over = (): void => {
      if (this.#turns.get(sid) === turn) this.#turns.delete(sid);
    };
    turn.then(over, over);
    return turn;
  }

  #subject(sid: string): string {
    return this.#prefix + digest(sid);
  }

  #remember(sid: string, id: string | null): void {
    bounded(this.#ids, sid, id);
  }
}

function bounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  if (map.size >= MOST) map.delete(map.keys().next().value as string);
  map.set(key, value);
}

function finish<T>(work: Promise<T>, done: Found<T>): void {
  work.then(
    (result) => setImmediate(done, null, result),
    (error: unknown) => setImmediate(done, error),
  );
}

function nothing(): void {
  // Nobody waits.
}
