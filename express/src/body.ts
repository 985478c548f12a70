/**
 * A request whose body is held back counts no longer than its session.
 *
 * It was judged by its headers. Whoever has a copied cookie could send those, and the rest after the owner
 * has signed out everywhere.
 */
import type { IncomingMessage } from "node:http";

import type { Api } from "./api.js";
import { HoldfastError, Refused, ServiceUnavailable } from "./errors.js";
import type { Token } from "./handle.js";

/** Whose a request is: by the secret of this rotation, or by a token. */
export interface Owner {
  id: string;
  rotation?: string | undefined;
  token?: Token | undefined;
}

/** What the rest of a request is held to. */
export interface Lasting {
  /** A moment of `performance.now()` at which the session lived. */
  provedAt: number;
  /** Milliseconds for which an ended session may still bring something. */
  readonly within: number;
  readonly api: Api;
  /** Null: its session has ended by its own doing. */
  owner(): Owner | null;
  /** What its handler has done is being saved: when that is over, and `owner` knows of it. */
  readonly saving?: Promise<unknown> | undefined;
}

/** Answers with this; false: another answer is on its way already. */
type Refuse = (error: HoldfastError) => boolean;

type Piece = Parameters<IncomingMessage["push"]>;

/** Whether more of a request is to come than has come with its headers. */
export function isComing(request: IncomingMessage): boolean {
  const { "content-length": length = "0", "transfer-encoding": chunked } = request.headers;
  return !request.complete && (length !== "0" || chunked !== undefined);
}

/** Have what is still to come of a request end with its session. */
export function holdBody(request: IncomingMessage, lasting: Lasting, refuse: Refuse): void {
  const { push } = request;
  let waiting: Piece[] | undefined;
  let over = false;
  const ask = async (): Promise<void> => {
    const error = await whyOver(lasting);
    const pieces = waiting ?? [];
    waiting = undefined;
    if (error === null) for (const piece of pieces) push.apply(request, piece);
    else {
      over = true;
      stop(request, error, refuse(error));
    }
  };
  // By this the server puts in what has come, its end too; false: no more for now.
  request.push = (...piece: Piece) => {
    if (over) return true;
    if (waiting === undefined) {
      if (performance.now() - lasting.provedAt < lasting.within / 2) return push.apply(request, piece);
      waiting = [];
      void ask();
    }
    waiting.push(piece);
    return false;
  };
}

/**
 * Who waits for the rest hears of it as of a client that has gone. Where that one gets an answer its
 * connection stays, as in Node: what it still sends is dropped, or it would see a reset and no answer.
 */
function stop(request: IncomingMessage, error: Error, answered: boolean): void {
  // What of another answer was written in this turn is not sent yet; its headers may end the session.
  if (!answered) return void setImmediate(() => request.destroy(error));
  request.emit("aborted");
  request._destroy = (reason, done) => done(request.listenerCount("error") > 0 ? reason : null);
  request.destroy(error);
}

/** Why nothing more may come; null: the session lives, or there is time to ask once more. */
async function whyOver(lasting: Lasting): Promise<HoldfastError | null> {
  const asked = performance.now();
  try {
    if (await isOver(lasting)) {
      return new Refused("session_ended", 401, "the session ended before its request was complete");
    }
    lasting.provedAt = asked;
    return null;
  } catch (error) {
    if (performance.now() - lasting.provedAt < lasting.within) return null;
    return error instanceof HoldfastError ? error : new ServiceUnavailable(String(error));
  }
}

/** What its own handler makes of the session meanwhile is no end of it, and may be heard of later than of that. */
async function isOver(lasting: Lasting): Promise<boolean> {
  const asked = lasting.owner();
  if (!(await hasEnded(lasting.api, asked))) return false;
  await lasting.saving;
  const { id, rotation } = lasting.owner() ?? {};
  return (id === asked?.id && rotation === asked?.rotation) || isOver(lasting);
}

async function hasEnded(api: Api, owner: Owner | null): Promise<boolean> {
  if (owner === null) return true;
  const { id, rotation, token } = owner;
  if (token !== undefined) {
    const { jti, iat } = token;
    return (await api.get<{ revoked: boolean }>("POST", "/tokens/status", { jti, iat })).revoked;
  }
  const { status, body } = await api.ask<Partial<Owner>>("GET", `/sessions/${encodeURIComponent(id)}`);
  if (status === 404) return true;
  if (status !== 200) throw new ServiceUnavailable(`status ${status} to a session`, "store_error");
  return rotation !== undefined && body.rotation !== rotation;
}
