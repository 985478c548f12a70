/** What a handler holds: the session's data as properties, and what is to happen to it. */
import { SessionClosed, UsageError } from "./errors.js";

/** What the service says of a session. */
export interface Described {
  id: string;
  subject: string | null;
  claims: Readonly<Record<string, unknown>>;
  data: Record<string, unknown> | null;
  created_at: string;
  authenticated_at: string | null;
  last_seen_at: string;
  version: string;
  /** Another one after each rotation. */
  rotation?: string;
}

export type Intent =
  | {
      type: "sign_in";
      subject: string;
      claims: object;
      keep_data: boolean;
      acr: string | null;
      amr: readonly string[];
    }
  | { type: "sign_out" }
  | { type: "rotate"; reauthenticated: boolean };

export interface SignInOptions {
  /** Whether the data of an anonymous session comes along; another subject's never does. */
  keepData?: boolean;
  acr?: string;
  amr?: readonly string[];
}

export interface User {
  id: string;
  [claim: string]: unknown;
}

export type Callback = (error?: Error | null) => void;

/** What the handler did, for the service. */
export interface Changes {
  intent: Intent | null;
  set: Record<string, unknown>;
  delete: string[];
  clear: boolean;
  base: Record<string, unknown>;
}

/**
 * A session in a handler. All other names are data: JSON values, `session.cart = []`.
 *
 * Nothing here asks the service: all of it is carried out in one step before the first byte of the
 * answer, and a failure replaces the answer. Afterwards a change throws `SessionClosed`.
 */
export interface Session {
  /** Its public id, no credential; null while nothing is stored. */
  readonly id: string | null;
  /** Whose it is; null: nobody is signed in. */
  readonly subject: string | null;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly createdAt: Date | null;
  readonly authenticatedAt: Date | null;
  /** Who is signed in, `{id, …claims}`; assigning one with an `id` signs in, null signs out. */
  user: User | null | undefined;
  /** Make this the session of a subject, under a new id and a new cookie. */
  signIn(subject: string, claims?: object, options?: SignInOptions): void;
  /** End the session and every credential of it. */
  signOut(): void;
  destroy(done?: Callback): void;
  /** A new secret: the old cookie is refused at once. Data and id stay. */
  rotate(options?: { reauthenticated?: boolean }): void;
  regenerate(done?: Callback): void;
  /** For code that is used to it; everything is saved before the answer anyway. */
  save(done?: Callback): void;
  clear(): void;
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  delete(name: string): void;
  toJSON(): Record<string, unknown>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- data of the application
  [name: string]: any;
}

const NOBODY = Object.freeze({});
const NOTHING: Changes = { intent: null, set: {}, delete: [], clear: false, base: {} };

/** Behind a `Session`; the chain asks it what is to be done. */
export class State {
  /** The answer depends on it. */
  accessed = false;
  closed = false;
  #intent: Intent | null = null;
  #cleared = false;
  #data: Map<string, unknown> | undefined;

  constructor(
    readonly described: Described | null,
    /** The data as JSON. */
    readonly text: string,
  ) {}

  get id(): string | null {
    return this.described?.id ?? null;
  }

  get subject(): string | null {
    if (this.#intent?.type === "sign_in") return this.#intent.subject;
    return this.#intent?.type === "sign_out" ? null : (this.described?.subject ?? null);
  }

  get claims(): Readonly<Record<string, unknown>> {
    if (this.#intent?.type === "sign_in") return this.#intent.claims as Record<string, unknown>;
    return this.#intent?.type === "sign_out" ? NOBODY : (this.described?.claims ?? NOBODY);
  }

  get createdAt(): Date | null {
    return date(this.described?.created_at);
  }

  get authenticatedAt(): Date | null {
    return date(this.described?.authenticated_at);
  }

  get user(): User | null | undefined {
    const { subject } = this;
    return subject === null ? undefined : { ...this.claims, id: subject };
  }

  set user(user: User | null | undefined) {
    if (user === null || user === undefined) this.signOut();
    else {
      const { id, ...claims } = user;
      this.signIn(subjectOf(id), claims);
    }
  }

  signIn(subject: string, claims: object = {}, options: SignInOptions = {}): void {
    this.#open();
    if (typeof subject !== "string" || subject === "") throw new UsageError("subject: is a text");
    const { keepData = true, acr = null, amr = [] } = options;
    this.#intent = { type: "sign_in", subject, claims: { ...claims }, keep_data: keepData, acr, amr };
  }

  signOut(): void {
    this.#open();
    this.#intent = { type: "sign_out" };
    this.#data = new Map();
    this.#cleared = true;
  }

  destroy(done?: Callback): void {
    this.signOut();
    call(done);
  }

  rotate({ reauthenticated = false }: { reauthenticated?: boolean } = {}): void {
    this.#open();
    // A sign-in has a new id and secret anyway, and nobody's session none.
    if (this.#intent === null && this.described !== null) this.#intent = { type: "rotate", reauthenticated };
  }

  regenerate(done?: Callback): void {
    this.rotate();
    call(done);
  }

  save(done?: Callback): void {
    call(done);
  }

  clear(): void {
    this.#open();
    this.#data = new Map();
    this.#cleared = true;
  }

  get(name: string): unknown {
    return this.#values().get(name);
  }

  set(name: string, value: unknown): void {
    this.#open();
    if (value === undefined) this.#values().delete(name);
    else this.#values().set(name, value);
  }

  delete(name: string): void {
    this.#open();
    this.#values().delete(name);
  }

  has(name: string): boolean {
    return this.#values().has(name);
  }

  names(): string[] {
    return [...this.#values().keys()];
  }

  toJSON(): Record<string, unknown> {
    return Object.fromEntries(this.#values());
  }

  get intent(): Intent | null {
    return this.#intent;
  }

  /**
   * What the handler did; null: nothing. Found by comparing, so changes inside a value count.
   *
   * @throws UsageError a value is not JSON.
   */
  changes(): Changes | null {
    const [intent, data] = [this.#intent, this.#data];
    if (data === undefined || intent?.type === "sign_out") return intent && { ...NOTHING, intent };
    const done = difference(parsed(this.text), data, this.#cleared);
    return done === null ? intent && { ...NOTHING, intent } : { ...done, intent };
  }

  #values(): Map<string, unknown> {
    return (this.#data ??= parsed(this.text));
  }

  #open(): void {
    if (this.closed) throw new SessionClosed();
  }
}

/** What makes `before` into `after`; null: nothing. */
function difference(
  before: Map<string, unknown>,
  after: Map<string, unknown>,
  clear: boolean,
): Changes | null {
  const set = bare();
  for (const [name, value] of after) {
    const old = clear ? undefined : JSON.stringify(before.get(name));
    if (json(name, value) !== old) set[name] = value;
  }
  const gone = [...before.keys()].filter((name) => !after.has(name));
  if (Object.keys(set).length + gone.length === 0 && !(clear && before.size > 0)) return null;
  const touched = clear ? [...before.keys()] : [...Object.keys(set), ...gone];
  const base = bare();
  for (const name of touched) if (before.has(name)) base[name] = before.get(name);
  return { intent: null, set, delete: clear ? [] : gone, clear, base };
}

/** A user without an id would share a session owner with every other one without. */
function subjectOf(id: unknown): string {
  if (typeof id === "string") return id;
  if (typeof id === "bigint" || (typeof id === "number" && Number.isFinite(id))) return String(id);
  throw new UsageError("session.user: needs an id, a text or a number; data go into other properties");
}

function call(done: Callback | undefined): void {
  if (done !== undefined) setImmediate(done, null);
}

function date(text: string | null | undefined): Date | null {
  return text ? new Date(text) : null;
}

function bare(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}

function parsed(text: string): Map<string, unknown> {
  return new Map(Object.entries(JSON.parse(text) as object));
}

function json(name: string, value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  if (text === undefined) throw new UsageError(`session.${name}: is no JSON`);
  return text;
}

/** What handlers of several requests are given, none may change for another. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  Object.values(value).forEach(deepFreeze);
}
