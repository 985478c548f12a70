/**
 * The service's stream of changes, and the proof of how old what is known can be.
 *
 * A proof names a moment of the service's clock before which everything was told. An anchor is a
 * moment of ours, taken before a question was sent, and the service's clock in the answer: it was
 * read later. So the difference never makes a proof look younger than it is.
 */
import type { IncomingMessage } from "node:http";

import type { Api } from "./api.js";

const PATH = "/changes";
const RENEW_MS = 30_000;
const SLOWEST_MS = 5_000;
/** A stream tells something several times a second; after this long nobody is there any more. */
const SILENT_MS = 10_000;
/** Characters of one event; more is no stream of ours. */
const MOST = 1_000_000;

export interface Listener {
  /** These sessions are other ones now, or gone. */
  changed(ids: readonly string[]): void;
  /** Any session may be; also whenever the stream is lost. */
  forget(): void;
}

/** Each event has some of these. */
interface Told {
  clock: string;
  now: number;
  bound_ms: number;
  ids: string[];
  at: number;
  nodes: string[];
}

interface Anchor {
  clock: string;
  asked: number;
  said: number;
}

export class Changes {
  /** What the latest proof vouches for: nothing before it is unknown. On our own clock. */
  proved = -Infinity;
  /** Server processes of the store that the latest proof has heard. */
  nodes: ReadonlySet<string> = new Set();
  /** Milliseconds that may have passed since `proved`. */
  bound = 0;
  /** The same where nothing is kept, for what is open. */
  within = 1000;

  readonly #listeners = new Set<Listener>();
  readonly #api: Api;
  readonly #most: number;
  #anchor: Anchor | undefined;
  #answer: IncomingMessage | undefined;
  #renewing: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #failures = 0;
  #started = false;
  #closed = false;

  constructor(api: Api, most: number) {
    this.#api = api;
    this.#most = most;
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether everything that happened up to `bound` ago has been told. */
  get live(): boolean {
    return performance.now() - this.proved < this.bound;
  }

  /** Tell who listens of what was changed here, ahead of the stream. */
  tell(ids: readonly string[]): void {
    this.#tell((each) => each.changed(ids));
  }

  /** Begin to listen, unless that has been done. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#open();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#lose();
  }

  async #open(): Promise<void> {
    const asked = performance.now();
    try {
      const answer = await this.#api.stream(PATH);
      if (this.#closed || answer.statusCode !== 200) {
        answer.destroy();
        throw new Error(`status ${answer.statusCode}`);
      }
      this.#answer = answer;
      this.#read(answer, asked);
    } catch {
      this.#again();
    }
  }

  #read(answer: IncomingMessage, asked: number): void {
    let rest = "";
    answer.setEncoding("utf8");
    this.#listenFor(answer);
    answer.on("data", (text: string) => {
      this.#listenFor(answer);
      const events = (rest + text).split("\n\n");
      rest = events.pop() ?? "";
      try {
        for (const event of events) this.#heard(event, asked);
        if (rest.length > MOST) throw new Error("an event without end");
      } catch {
        answer.destroy();
      }
    });
    answer.on("error", () => undefined);
    answer.on("close", () => {
      if (this.#answer === answer) this.#again();
    });
  }

  /** A connection may die without a word; then a new one may still get through. */
  #listenFor(answer: IncomingMessage): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => answer.destroy(), SILENT_MS).unref();
  }

  #heard(text: string, asked: number): void {
    const lines = text.split("\n");
    const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
    const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
    if (name === undefined || data === undefined) return;
    const told = JSON.parse(data) as Told;
    if (name === "open") this.#opened(told, asked);
    else if (name === "changed") this.#tell((each) => each.changed(told.ids));
    else if (name === "forget") this.#tell((each) => each.forget());
    else if (name === "proof") this.#proof(told);
  }

  #opened(told: Told, asked: number): void {
    this.#anchor = { clock: told.clock, asked, said: told.now };
    this.bound = Math.min(told.bound_ms, this.#most);
    this.within = this.bound || told.bound_ms;
    this.#renewing = setInterval(() => void this.#renew(), RENEW_MS).unref();
  }

  #proof(told: Told): void {
    const anchor = this.#anchor;
    if (anchor === undefined) return;
    const since = told.at - anchor.said;
    // The last term allows for two clocks whose speeds differ by a thousandth.
    const proved = anchor.asked + since - Math.abs(since) / 1000;
    if (!(proved <= performance.now())) throw new Error("the clocks disagree");
    this.proved = Math.max(proved, this.proved);
    this.nodes = new Set(told.nodes);
    this.#failures = 0;
  }

  async #renew(): Promise<void> {
    const asked = performance.now();
    const before = this.#anchor;
    try {
      const { clock, now } = await this.#api.get<{ clock: string; now: number }>("GET", `${PATH}/clock`);
      if (before === this.#anchor && clock === before?.clock) this.#anchor = { clock, asked, said: now };
    } catch {
      // The old one goes on counting, for a little less each time.
    }
  }

  #tell(how: (listener: Listener) => void): void {
    for (const listener of this.#listeners) how(listener);
  }

  #lose(): void {
    const answer = this.#answer;
    this.#answer = this.#anchor = undefined;
    this.proved = -Infinity;
    this.nodes = new Set();
    clearInterval(this.#renewing);
    clearTimeout(this.#silence);
    answer?.destroy();
    this.#tell((each) => each.forget());
  }

  #again(): void {
    this.#lose();
    if (this.#closed) return;
    const longest = Math.min(50 * 2 ** this.#failures++, SLOWEST_MS);
    this.#pause = setTimeout(() => void this.#open(), longest * (0.5 + Math.random() / 2)).unref();
  }
}
