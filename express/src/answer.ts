/**
 * Holding an answer back until the session is saved.
 *
 * The first byte waits; what a handler sends meanwhile is queued and comes afterwards in its order.
 */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";

import { addHeaders, errorReply, send } from "./replies.js";
import type { Headers, Reply } from "./replies.js";

/** What becomes of the answer: headers for it, or another one in its place. */
export interface Settled {
  headers: Headers;
  reply?: Reply | null;
}

type Settle = (status: number) => Settled | Promise<Settled>;
type Call = (...args: never[]) => unknown;

/**
 * Call `settle` before the first byte. It must not fail.
 */
export function holdBack(response: ServerResponse, settle: Settle): void {
  new Held(response, settle).install();
}

class Held {
  #phase: "new" | "waiting" | "open" | "replaced" = "new";
  #ended = false;
  #written = false;
  readonly #queue: (() => void)[] = [];
  readonly #writeHead: ServerResponse["writeHead"];
  readonly #write: Call;
  readonly #end: Call;
  readonly #flushHeaders: () => void;

  constructor(
    readonly response: ServerResponse,
    readonly settle: Settle,
  ) {
    this.#writeHead = response.writeHead;
    this.#write = response.write;
    this.#end = response.end;
    this.#flushHeaders = response.flushHeaders;
  }

  install(): void {
    const { response } = this;
    response.writeHead = (status: number, ...rest: unknown[]) => {
      this.#take(rest);
      response.statusCode = status;
      this.#do(status, () => {
        response.statusCode = status;
        this.#writeHead.call(response, status);
      });
      return response;
    };
    response.write = ((...args: never[]) => {
      let room = true;
      this.#do(response.statusCode, () => (room = this.#write.apply(response, args) as boolean));
      this.#written ||= this.#phase === "waiting";
      return room && this.#phase !== "waiting";
    }) as ServerResponse["write"];
    response.end = ((...args: never[]) => {
      if (this.#ended && this.#phase !== "open") return response;
      const status = response.statusCode;
      this.#do(status, () => this.#end.apply(response, args));
      this.#ended = true;
      return response;
    }) as ServerResponse["end"];
    response.flushHeaders = () => this.#do(response.statusCode, () => this.#flushHeaders.call(response));
  }

  /** Headers that were given with the status count as if they had been set before. */
  #take(rest: unknown[]): void {
    const { response } = this;
    if (this.#phase === "open" || this.#phase === "replaced") return;
    if (typeof rest[0] === "string") response.statusMessage = rest.shift() as string;
    const headers = rest[0] as OutgoingHttpHeaders | unknown[] | undefined;
    if (Array.isArray(headers)) {
      const flat = headers.flat() as string[];
      for (let at = 0; at + 1 < flat.length; at += 2)
        response.appendHeader(flat[at] ?? "", flat[at + 1] ?? "");
    } else {
      for (const [name, value] of Object.entries(headers ?? {})) {
        if (value !== undefined) response.setHeader(name, value);
      }
    }
  }

  #do(status: number, step: () => void): void {
    if (this.#phase === "open") return step();
    if (this.#phase === "replaced" || this.#ended) return;
    if (this.#phase === "waiting") return void this.#queue.push(step);
    this.#phase = "waiting";
    const settled = this.settle(status);
    if (settled instanceof Promise) {
      this.#queue.push(step);
      settled.then((late) => this.#settled(late)).catch((error: unknown) => this.#failed(error));
    } else {
      this.#settled(settled);
      // A refused answer is complete; otherwise this goes on as if nobody had looked.
      if ((this.#phase as string) === "open") step();
    }
  }

  /** What waited cannot be sent, by a mistake that its handler is not there any more to hear of. */
  #failed(error: unknown): void {
    process.emitWarning(error instanceof Error ? error : String(error));
    this.#phase = "open";
    if (this.response.headersSent) this.response.destroy();
    else send(this.response, errorReply(500, "internal_error"));
    this.#phase = "replaced";
  }

  #settled({ headers, reply }: Settled): void {
    const { response } = this;
    if (reply) {
      this.#phase = "open";
      send(response, reply);
      this.#phase = "replaced";
      return;
    }
    addHeaders(response, headers);
    this.#phase = "open";
    for (const step of this.#queue.splice(0)) step();
    if (this.#written && !this.#ended) response.emit("drain");
  }
}
