/**
 * Holding an answer back until the session is saved.
 *
 * The first byte waits; what a handler sends meanwhile is queued and comes afterwards in its order.
 */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";

import { addHeaders, errorReply, send } from "./replies.js";
import type { Call, Headers, Reply } from "./replies.js";

/** What becomes of the answer: headers for it, or another one in its place. */
export interface Settled {
  headers: Headers;
  reply?: Reply | null;
}

interface Settling {
  /** What becomes of an answer with this status. Must not fail. */
  settle(status: number): Settled | Promise<Settled>;
}

/** The methods of an answer by which bytes are sent. */
export interface Sending {
  writeHead: Call;
  write: Call;
  end: Call;
  flushHeaders: Call;
}

/** An answer that waits: its visit is settled before the first byte. */
export class Held {
  #phase: "new" | "waiting" | "open" | "replaced" = "new";
  #ended = false;
  #written = false;
  #queue: (() => void)[] | undefined;
  #instead: Reply | undefined;

  constructor(
    readonly response: ServerResponse,
    readonly visit: Settling,
    /** What sends. */
    readonly sending: Sending,
  ) {}

  /** Nothing waits any more. */
  get open(): boolean {
    return this.#phase === "open";
  }

  /** Answer with this instead; false: an answer is on its way already. */
  replace(reply: Reply): boolean {
    if (this.#phase === "open") return false;
    this.#instead = reply;
    if (this.#phase === "new") this.#settled({ headers: [] });
    return true;
  }

  writeHead(status: number, reason: unknown, given: unknown): void {
    const { response } = this;
    if (this.#phase !== "replaced") this.#take(reason, given);
    response.statusCode = status;
    this.#do(status, () => {
      response.statusCode = status;
      this.sending.writeHead.call(response, status);
    });
  }

  write(chunk: unknown, encoding: unknown, done: unknown): boolean {
    const { response } = this;
    if (this.#phase === "new") this.#begin(response.statusCode);
    if (this.#phase === "open") return this.sending.write.call(response, chunk, encoding, done) as boolean;
    this.#later(() => this.sending.write.call(response, chunk, encoding, done));
    this.#written ||= this.#phase === "waiting";
    return this.#phase === "replaced";
  }

  end(chunk: unknown, encoding: unknown, done: unknown): void {
    const { response } = this;
    if (this.#phase === "new") this.#begin(response.statusCode);
    if (this.#phase === "open") this.sending.end.call(response, chunk, encoding, done);
    else this.#later(() => this.sending.end.call(response, chunk, encoding, done));
    this.#ended = true;
  }

  flushHeaders(): void {
    this.#do(this.response.statusCode, () => this.sending.flushHeaders.call(this.response));
  }

  /** Headers that were given with the status count as if they had been set before. */
  #take(reason: unknown, given: unknown): void {
    const { response } = this;
    if (typeof reason === "string") response.statusMessage = reason;
    const headers = (given ?? (typeof reason === "string" ? {} : reason)) as OutgoingHttpHeaders | unknown[];
    if (Array.isArray(headers)) takeList(response, headers);
    else {
      for (const [name, value] of Object.entries(headers ?? {})) {
        if (value !== undefined) response.setHeader(name, value);
      }
    }
  }

  #do(status: number, step: () => void): void {
    if (this.#phase === "new") this.#begin(status);
    if (this.#phase === "open") step();
    else this.#later(step);
  }

  /** An answer that is replaced, or complete already, takes nothing more. */
  #later(step: () => void): void {
    if (this.#phase === "waiting" && !this.#ended) (this.#queue ??= []).push(step);
  }

  #begin(status: number): void {
    this.#phase = "waiting";
    const settled = this.visit.settle(status);
    if (!(settled instanceof Promise)) return this.#settled(settled);
    const decided = headOf(this.response);
    settled
      .then((late) => {
        if (!this.response.headersSent) restore(this.response, decided);
        this.#settled(late);
      })
      .catch((error: unknown) => this.#failed(error));
    return undefined;
  }

  /** What waited cannot be sent, by a mistake that its handler is not there any more to hear of. */
  #failed(error: unknown): void {
    process.emitWarning(error instanceof Error ? error : String(error));
    this.#phase = "open";
    if (this.response.headersSent) this.response.destroy();
    else send(this.response, errorReply(500, "internal_error"), this.sending.end);
    this.#phase = "replaced";
  }

  #settled({ headers, reply = this.#instead }: Settled): void {
    const { response } = this;
    if (reply) {
      this.#phase = "open";
      // Not by functions that were put on the answer behind us: they have had what is replaced.
      send(response, reply, this.sending.end);
      this.#phase = "replaced";
      return;
    }
    addHeaders(response, headers);
    this.#phase = "open";
    const steps = this.#queue ?? [];
    this.#queue = undefined;
    for (const step of steps) step();
    if (this.#written && !this.#ended) response.emit("drain");
  }
}

/** Status and headers, as they were decided. */
interface Head {
  status: number;
  message: string;
  headers: OutgoingHttpHeaders;
}

function headOf(response: ServerResponse): Head {
  const { statusCode: status, statusMessage: message } = response;
  const headers = response.getHeaders();
  for (const name in headers) {
    const value = headers[name];
    if (Array.isArray(value)) headers[name] = [...value]; // more may be put on that very list
  }
  return { status, message, headers };
}

/**
 * What was changed while the answer waited comes too late: it was begun. Who answers an error then believes
 * to be the first, and the length of one answer would stand before the body of another.
 */
function restore(response: ServerResponse, { status, message, headers }: Head): void {
  response.statusCode = status;
  response.statusMessage = message;
  const now = response.getHeaders();
  for (const name in now) if (!(name in headers)) response.removeHeader(name);
  for (const name in headers) {
    if (now[name] !== headers[name]) response.setHeader(name, headers[name] ?? "");
  }
}

/** Pairs, or names and values by turns; a name may come twice, and replaces what was set. */
function takeList(response: ServerResponse, given: readonly unknown[]): void {
  const flat = (Array.isArray(given[0]) ? given.flat() : given) as string[];
  for (let at = 0; at + 1 < flat.length; at += 2) response.removeHeader(flat[at] ?? "");
  for (let at = 0; at + 1 < flat.length; at += 2) response.appendHeader(flat[at] ?? "", flat[at + 1] ?? "");
}
