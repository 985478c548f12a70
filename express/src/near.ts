/** What was read lately and may be used again: for as long as the stream of changes vouches for it. */
import type { Changes } from "./changes.js";

/** How the service says that an answer may be kept; null: it counts once. */
export interface Keep {
  node: string;
  for_ms: number;
}

/** What is to be kept: under which key, and of which session. */
export interface Keeping<T> {
  key: string;
  id: string;
  keep: Keep;
  value: T;
}

interface Entry<T> {
  value: T;
  id: string;
  node: string;
  until: number;
}

/** A question that is under way; what changes meanwhile is noted, as its answer may be older. */
export interface Question {
  readonly sent: number;
  readonly nodes: ReadonlySet<string>;
  readonly changed: Set<string>;
  all: boolean;
}

export class Near<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #keys = new Map<string, Set<string>>();
  readonly #open = new Set<Question>();
  readonly #changes: Changes;
  readonly #most: number;

  constructor(changes: Changes, most: number) {
    this.#changes = changes;
    this.#most = most;
    changes.listen({
      changed: (ids) => ids.forEach((id) => this.forget(id)),
      forget: () => this.#forgetAll(),
    });
  }

  /** What is known under this key and still counts; otherwise undefined: ask. */
  find(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const changes = this.#changes;
    const now = performance.now();
    if (now - changes.proved < changes.bound && now < entry.until && changes.nodes.has(entry.node)) {
      return entry.value;
    }
    if (now >= entry.until) this.#drop(key, entry);
    return undefined;
  }

  /** To be called before a question is sent. */
  ask(): Question {
    const { nodes } = this.#changes;
    const question = { sent: performance.now(), nodes, changed: new Set<string>(), all: false };
    this.#open.add(question);
    return question;
  }

  /** The question was answered: keep that, unless it may be out of date already. */
  answered(question: Question, kept?: Keeping<T>): void {
    this.#open.delete(question);
    if (kept === undefined) return;
    const { key, id, keep, value } = kept;
    const heard = question.nodes.has(keep.node) && this.#changes.nodes.has(keep.node);
    if (!heard || question.all || question.changed.has(id)) return;
    this.#keep(key, { value, id, node: keep.node, until: question.sent + keep.for_ms });
  }

  /** Forget all that is known of a session. */
  forget(id: string): void {
    for (const question of this.#open) question.changed.add(id);
    for (const key of this.#keys.get(id) ?? []) this.#entries.delete(key);
    this.#keys.delete(id);
  }

  /** This application has changed or ended a session itself: whatever knows of it forgets at once. */
  changed(id: string): void {
    this.#changes.tell([id]);
  }

  /** A moment at which all that is kept counted. */
  get provedAt(): number {
    return this.#changes.proved;
  }

  /** Milliseconds that may have passed before an end is felt. */
  get within(): number {
    return this.#changes.within;
  }

  get size(): number {
    return this.#entries.size;
  }

  #keep(key: string, entry: Entry<T>): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(key, old);
    if (this.#entries.size >= this.#most) {
      const [first] = this.#entries;
      if (first !== undefined) this.#drop(...first);
    }
    this.#entries.set(key, entry);
    const keys = this.#keys.get(entry.id);
    if (keys === undefined) this.#keys.set(entry.id, new Set([key]));
    else keys.add(key);
  }

  #drop(key: string, entry: Entry<T>): void {
    this.#entries.delete(key);
    const keys = this.#keys.get(entry.id);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(entry.id);
  }

  #forgetAll(): void {
    for (const question of this.#open) question.all = true;
    this.#entries.clear();
    this.#keys.clear();
  }
}
