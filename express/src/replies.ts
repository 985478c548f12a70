/** Answers in place of the application's, and headers for it; alike in all languages. */
import { STATUS_CODES } from "node:http";
import type { ServerResponse } from "node:http";

import { HoldfastError } from "./errors.js";

export interface Reply {
  status: number;
  headers: readonly (readonly [string, string])[];
  body: string;
}

export type Headers = Reply["headers"];

/** A method of an answer. */
export type Call = (this: ServerResponse, ...args: unknown[]) => unknown;

/** What is added to an answer that depends on the session. */
export const PRIVATE: Headers = [
  ["Vary", "Cookie"],
  ["Cache-Control", "no-store"],
];
export const CHALLENGE = 'Bearer realm="holdfast"';

const MESSAGES: Record<number, string> = {
  401: "Unauthorized",
  403: "Forbidden",
  409: "Conflict",
  429: "Too many requests",
  500: "Internal server error",
  503: "Service unavailable",
};

/** An error with its stable code; never cached. */
export function errorReply(
  status: number,
  code: string,
  message?: string,
  ...more: [string, string][]
): Reply {
  const error = message ?? MESSAGES[status] ?? "Error";
  return {
    status,
    headers: [["Content-Type", "application/json; charset=utf-8"], ["Cache-Control", "no-store"], ...more],
    body: JSON.stringify({ error, code }),
  };
}

/**
 * The answer to an error. A mistake of the application is 500, whatever the service calls it.
 *
 * What a developer has to mend is said on standard error, as Express' own handler does, and as it not in
 * tests (`NODE_ENV`): with the answer, which has a code alone, the message would be lost.
 */
export function replyTo(error: unknown): Reply {
  const reply = error instanceof HoldfastError ? replyToOurs(error) : errorReply(500, "internal_error");
  const unknownKey = error instanceof HoldfastError && error.code === "service_key";
  if ((reply.status === 500 || unknownKey) && process.env["NODE_ENV"] !== "test") console.error(error);
  return reply;
}

function replyToOurs(error: HoldfastError): Reply {
  const status = error.name === "Refused" && [400, 404, 413, 415].includes(error.status) ? 500 : error.status;
  const wait: [string, string][] =
    error.retryAfter === undefined ? [] : [["Retry-After", String(error.retryAfter)]];
  return errorReply(status, error.code, undefined, ...wait);
}

/** Headers of an answer itself; others, such as those of CORS, are for whatever is answered. */
const OF_CONTENT =
  /^(content-(?!security-policy)|etag$|last-modified$|location$|set-cookie$|trailer$|transfer-)/;

/** Answer with this, and nothing of what was prepared; `end` is what sends. */
export function send(response: ServerResponse, reply: Reply, end: Call = response.end as Call): void {
  for (const name of response.getHeaderNames()) {
    if (OF_CONTENT.test(name)) response.removeHeader(name);
  }
  response.statusCode = reply.status;
  response.statusMessage = "";
  addHeaders(response, reply.headers);
  response.setHeader("Content-Length", Buffer.byteLength(reply.body));
  end.call(response, reply.body);
}

/** A whole answer, where no server makes one: to a handshake. */
export function textOf({ status, headers, body }: Reply): string {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`;
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return [head, ...lines, length, "Connection: close", "", body].join("\r\n");
}

/** `Vary` is joined, `Cache-Control` replaced; of two cookies with one name ours stays. */
export function addHeaders(response: ServerResponse, headers: Headers): void {
  if (headers === PRIVATE) return addPrivate(response);
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (lower === "set-cookie") addCookie(response, value);
    else if (lower === "vary") addVary(response, value);
    else response.setHeader(name, value);
  }
}

function addPrivate(response: ServerResponse): void {
  addVary(response, "Cookie");
  response.setHeader("Cache-Control", "no-store");
}

function addCookie(response: ServerResponse, cookie: string): void {
  const others = list(response.getHeader("Set-Cookie")).filter((each) => nameOf(each) !== nameOf(cookie));
  response.setHeader("Set-Cookie", [...others, cookie]);
}

function addVary(response: ServerResponse, wanted: string): void {
  const before = response.getHeader("Vary");
  if (before === undefined || before === "") return void response.setHeader("Vary", wanted);
  const given = list(before).join(", ");
  const known = new Set(given.split(",").map((each) => each.trim().toLowerCase()));
  if (known.has("*")) return;
  const missing = wanted.split(",").filter((each) => !known.has(each.trim().toLowerCase()));
  if (missing.length > 0) response.setHeader("Vary", [given, ...missing].join(", "));
}

function list(value: number | string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [String(value)];
}

function nameOf(cookie: string): string {
  return (cookie.split("=", 1)[0] ?? "").trim();
}
