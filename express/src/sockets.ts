/** Sockets and streams that end with their session, or when nobody can say whether it lives. */
import type { Api } from "./api.js";
import type { Changes } from "./changes.js";
import type { Token } from "./handle.js";
import type { Keep } from "./near.js";

/** A WebSocket, or an answer that goes on: whatever can be closed. */
export type Closable = { close(code: number, reason: string): unknown } | { end(): unknown };

/** What `ws` has beside that. */
interface Socket {
  close(code: number, reason: string): unknown;
  removeAllListeners?(event: string): unknown;
  terminate?(): unknown;
}

/** What an answer has beside its end. */
interface Stream {
  end(): unknown;
  destroy?(): unknown;
  getHeader?(name: string): unknown;
  on?(event: "error", listener: () => void): unknown;
}

/** What tells that nobody is there any more: of an answer, and of a WebSocket. */
interface Gone {
  destroyed?: boolean;
  writableEnded?: boolean;
  readyState?: number;
}

const OPEN = 1;
export const ENDED = 4401;
export const UNKNOWN = 1013;
const REASONS = { [ENDED]: "the session has ended", [UNKNOWN]: "try again later" };

/** A minute if nobody says sooner; an end by time is told by nobody. */
const LOOK_MS = 60_000;
/** For a client that does not answer when its socket is closed, or does not read to the end. */
const PATIENCE_MS = 5_000;

/** What one session has open; all moments are those of `performance.now()`. */
interface Held {
  /** With the token that each was opened with, which may be revoked by itself. */
  readonly sockets: Map<Closable, Token | undefined>;
  /** When the latest good answer was asked for. */
  readAt: number;
  /** When it must be asked for again, whatever is heard. */
  lookAt: number;
  /** Since when an answer is awaited. */
  askedAt: number | undefined;
  /** Something was heard while an answer was awaited. */
  again: boolean;
  /** What was read counts while changes are heard. */
  followed: boolean;
}

export class Sockets {
  readonly #held = new Map<string, Held>();
  readonly #api: Api;
  readonly #changes: Changes;
  #turns: NodeJS.Timeout | undefined;

  constructor(api: Api, changes: Changes) {
    this.#api = api;
    this.#changes = changes;
    changes.listen({
      changed: (ids) => ids.forEach((id) => this.#look(id)),
      forget: () => [...this.#held.keys()].forEach((id) => this.#look(id)),
    });
  }

  /** Close `socket` when the session ends, or the token that opened it; what is returned lets go of it. */
  hold(socket: Closable, id: string, token?: Token): () => void {
    // Its client went while a guard waited: nothing would ever let go of it.
    if (isGone(socket)) return () => undefined;
    const now = performance.now();
    const fresh = { readAt: now, lookAt: now, askedAt: undefined, again: false, followed: false };
    const held = this.#held.get(id) ?? { sockets: new Map(), ...fresh };
    this.#held.set(id, held);
    held.sockets.set(socket, token);
    // It may have ended since the request was judged.
    this.#look(id);
    if (this.#turns === undefined) this.#wait();
    return () => this.#release(socket, id);
  }

  close(): void {
    this.#held.clear();
    this.#rest();
  }

  get size(): number {
    return this.#held.size;
  }

  #release(socket: Closable, id: string): void {
    const held = this.#held.get(id);
    held?.sockets.delete(socket);
    if (held?.sockets.size === 0) this.#held.delete(id);
    if (this.#held.size === 0) this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#turns);
    this.#turns = undefined;
  }

  #wait(): void {
    this.#turns = setTimeout(() => this.#turn(), this.#changes.within / 4).unref();
  }

  #turn(): void {
    this.#wait();
    const now = performance.now();
    for (const [id, held] of this.#held) {
      const silent = now - this.#proved(held);
      if (held.askedAt === undefined) {
        if (now >= held.lookAt || silent >= this.#changes.within / 2) this.#look(id);
      } else if (now - held.askedAt >= this.#changes.within / 4) this.#giveUp(id, held);
    }
  }

  /** A moment at which the session lived. */
  #proved(held: Held): number {
    return held.followed ? Math.max(held.readAt, this.#changes.proved) : held.readAt;
  }

  /** No answer came: end what is open, unless there is time for another question. */
  #giveUp(id: string, held: Held): void {
    if (performance.now() - this.#proved(held) >= this.#changes.within * 0.75) this.#end(id, UNKNOWN);
  }

  #look(id: string): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.followed = false;
    if (held.askedAt === undefined) void this.#read(id, held);
    else held.again = true;
  }

  async #read(id: string, held: Held): Promise<void> {
    const { nodes } = this.#changes;
    const asked = (held.askedAt = performance.now());
    held.again = false;
    try {
      const path = `/sessions/${encodeURIComponent(id)}`;
      const { status, body } = await this.#api.ask<{ keep?: Keep | null }>("GET", path);
      if (this.#held.get(id) !== held) return;
      if (status === 404) return this.#end(id, ENDED);
      if (status !== 200) throw new Error(`status ${status}`);
      await this.#endTokens(id, held);
      if (this.#held.get(id) !== held) return;
      const { keep } = body;
      held.readAt = asked;
      held.lookAt = asked + Math.min(keep?.for_ms ?? LOOK_MS, LOOK_MS);
      held.followed = !held.again && keep != null && nodes.has(keep.node);
    } catch {
      if (this.#held.get(id) === held) this.#giveUp(id, held);
    } finally {
      held.askedAt = undefined;
    }
    if (held.again) this.#look(id);
  }

  /** End what those tokens have opened that were revoked by themselves. */
  async #endTokens(id: string, held: Held): Promise<void> {
    const tokens = new Map([...held.sockets.values()].map((each) => [each?.jti, each]));
    for (const token of tokens.values()) {
      if (token === undefined) continue;
      const { jti, iat } = token;
      const { status, body } = await this.#api.ask<{ revoked: boolean }>("POST", "/tokens/status", {
        jti,
        iat,
      });
      if (status !== 200) throw new Error(`status ${status}`);
      if (!body.revoked) continue;
      for (const [socket, by] of held.sockets) {
        if (by?.jti !== jti) continue;
        this.#release(socket, id);
        close(socket, ENDED);
      }
    }
  }

  #end(id: string, code: typeof ENDED | typeof UNKNOWN): void {
    const sockets = this.#held.get(id)?.sockets.keys() ?? [];
    this.#held.delete(id);
    if (this.#held.size === 0) this.#rest();
    for (const socket of sockets) close(socket, code);
  }
}

/** One that cannot be closed keeps no other one open. */
function close(socket: Closable, code: typeof ENDED | typeof UNKNOWN): void {
  try {
    if ("close" in socket) closeSocket(socket, code);
    else closeStream(socket);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}

/** Events end, and their client comes back; anything else is cut off: nobody takes a part for the whole. */
function closeStream(stream: Stream): void {
  const kind = stream.getHeader?.("content-type");
  const whole = typeof kind === "string" && !kind.startsWith("text/event-stream");
  if (whole && stream.destroy !== undefined) return void stream.destroy();
  // Until a slow client has read the end, who goes on to write would end the process by an error.
  stream.on?.("error", () => undefined);
  stream.end();
  setTimeout(() => stream.destroy?.(), PATIENCE_MS).unref();
}

function isGone(socket: Closable): boolean {
  const { destroyed = false, writableEnded = false, readyState = OPEN } = socket as Gone;
  return destroyed || writableEnded || readyState > OPEN;
}

/** What the client says after the end is not heard, however long it takes to agree. */
function closeSocket(socket: Socket, code: typeof ENDED | typeof UNKNOWN): void {
  socket.close(code, REASONS[code]);
  socket.removeAllListeners?.("message");
  setTimeout(() => socket.terminate?.(), PATIENCE_MS).unref();
}
