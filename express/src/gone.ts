/** Sessions of the store for express-session that are there no more, as answers and errors say it. */
import type { SessionData } from "express-session";

import { Refused, ServiceUnavailable } from "./errors.js";

/** Only "there is none" is an answer; anything else is no word about the session. */
export function absent(status: number): null {
  if (status !== 404) throw new ServiceUnavailable(`status ${status} to a session`, "store_error");
  return null;
}

/** The session, if its own cookie has not expired. */
export function living(session: SessionData): SessionData | null {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- only to be read: maxAge is made of it
  const expires = session.cookie.expires;
  return expires && new Date(expires).getTime() <= Date.now() ? null : session;
}

/** @return false if there was nothing left to change. */
export async function unlessGone(change: Promise<unknown>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (!(error instanceof Refused && error.status === 404)) throw error;
    return false;
  }
}
