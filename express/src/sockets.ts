/** Sockets and streams that end with their session. */
import type { Api } from "./api.js";
import type { Changes } from "./changes.js";
import type { Keep } from "./near.js";

/** A WebSocket, or an answer that goes on: whatever can be closed. */
export type Closable = { close(code: number, reason: string): unknown } | { end(): unknown };

export const ENDED = 4401;

/** A minute if nobody says sooner; an end by time is told by nobody. */
const LOOK_MS = 60_000;
const RETRY_MS = 1_000;

interface Held {
  sockets: Set<Closable>;
  timer: NodeJS.Timeout | undefined;
  looking: boolean;
  again: boolean;
}

export class Sockets {
  readonly #held = new Map<string, Held>();
  readonly #api: Api;
  #closed = false;

  constructor(api: Api, changes: Changes) {
    this.#api = api;
    changes.listen({
      changed: (ids) => ids.forEach((id) => this.#look(id)),
      forget: () => [...this.#held.keys()].forEach((id) => this.#look(id)),
    });
  }

  /** Close `socket` when the session ends; what is returned lets go of it. */
  hold(socket: Closable, id: string): () => void {
    let held = this.#held.get(id);
    if (held === undefined) {
      held = { sockets: new Set(), timer: undefined, looking: false, again: false };
      this.#held.set(id, held);
    }
    held.sockets.add(socket);
    // It may have ended since the request was judged.
    this.#look(id);
    return () => this.#release(socket, id);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }

  get size(): number {
    return this.#held.size;
  }

  #release(socket: Closable, id: string): void {
    const held = this.#held.get(id);
    held?.sockets.delete(socket);
    if (held?.sockets.size === 0) {
      clearTimeout(held.timer);
      this.#held.delete(id);
    }
  }

  #look(id: string): void {
    const held = this.#held.get(id);
    if (held === undefined || this.#closed) return;
    if (held.looking) held.again = true;
    else void this.#read(id, held);
  }

  async #read(id: string, held: Held): Promise<void> {
    clearTimeout(held.timer);
    held.looking = true;
    held.again = false;
    let next = RETRY_MS;
    try {
      const answer = await this.#api.ask<{ keep?: Keep | null }>(
        "GET",
        `/sessions/${encodeURIComponent(id)}`,
      );
      if (answer.status === 404) return this.#end(id);
      next = Math.min(Math.max(answer.body.keep?.for_ms ?? LOOK_MS, RETRY_MS), LOOK_MS);
    } catch {
      // "Cannot know" ends nothing; it is asked again soon.
    } finally {
      held.looking = false;
    }
    if (held.again) return this.#look(id);
    if (this.#held.get(id) === held && !this.#closed) {
      held.timer = setTimeout(() => this.#look(id), next).unref();
    }
  }

  #end(id: string): void {
    const sockets = this.#held.get(id)?.sockets ?? [];
    this.#held.delete(id);
    for (const socket of sockets) close(socket);
  }
}

/** One that cannot be closed keeps no other one open. */
function close(socket: Closable): void {
  try {
    if ("close" in socket) socket.close(ENDED, "the session has ended");
    else socket.end();
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}
