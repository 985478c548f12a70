/** What the service is told of a request. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import * as crypto from "node:crypto";

/** One request, as this server saw it. */
export interface Facts {
  method: string;
  scheme: "http" | "https";
  host: string;
  path: string;
  peer: string | null;
  headers: Record<string, string>;
  form_token?: string;
  websocket?: boolean;
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const TOLD = [
  "authorization",
  "cookie",
  "user-agent",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "content-type",
  "host",
  "origin",
  "referer",
  "sec-fetch-site",
  "x-request-id",
] as const;

const ONCE = ["authorization", "content-type", "host", "referer", "user-agent"] as const;

export function isSafe(method: string | undefined): boolean {
  return SAFE.has(method ?? "");
}

/** The path as it was asked for, without the query, also below a router. */
export function pathOf(request: IncomingMessage & { originalUrl?: string }): string {
  const url = request.originalUrl ?? request.url ?? "/";
  const end = url.indexOf("?");
  return end < 0 ? url : url.slice(0, end);
}

/** @param csrfHeader in lower case. */
export function factsOf(request: IncomingMessage, csrfHeader: string): Facts {
  const headers: Record<string, string> = {};
  const sent = headersOf(request);
  for (const name of TOLD) put(headers, name, sent[name]);
  put(headers, csrfHeader, sent[csrfHeader]);
  return {
    method: request.method ?? "GET",
    scheme: schemeOf(request),
    host: sent.host ?? "",
    path: pathOf(request),
    peer: peerOf(request),
    headers,
  };
}

/** What an answer to a safe request is kept under: a hash of all that it depends on. */
export function keyOf(request: IncomingMessage): string {
  const sent = headersOf(request);
  // One by one, which costs half of what a loop over the names does. No header can hold a line feed, so
  // parts of different requests never meet.
  return digest(
    `${schemeOf(request)}\n${sent.host}\n${request.socket.remoteAddress}` +
      part(sent.authorization) +
      part(sent.cookie) +
      part(sent["user-agent"]) +
      part(sent["x-forwarded-for"]) +
      part(sent["x-forwarded-host"]) +
      part(sent["x-forwarded-proto"]),
  );
}

function part(value: string | string[] | undefined): string {
  return value === undefined ? "\n" : `\n=${value as string}`;
}

/** What was sent as `Authorization`; undefined: nothing. */
export function authorizationOf(request: IncomingMessage): string | undefined {
  return headersOf(request).authorization;
}

/** Of two lines where one may come Node shows the first; here they are joined, and count for nobody. */
function headersOf(request: IncomingMessage): IncomingHttpHeaders {
  const { headers, rawHeaders } = request;
  if (Object.keys(headers).length * 2 === rawHeaders.length) return headers;
  const all = { ...headers };
  for (const name of ONCE) {
    const lines = request.headersDistinct[name];
    if (lines !== undefined && lines.length > 1) all[name] = lines.join(", ");
  }
  return all;
}

/** SHA-256, so that what is kept in memory holds no credential. */
export function digest(text: string): string {
  return hash?.("sha256", text, "base64") ?? crypto.createHash("sha256").update(text).digest("base64");
}

/** At half the price, from Node 20.12 on. */
const { hash } = crypto as { hash?: (algorithm: string, text: string, encoding: "base64") => string };

function put(headers: Record<string, string>, name: string, value: string | string[] | undefined): void {
  if (value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ");
}

function schemeOf(request: IncomingMessage): "http" | "https" {
  return (request.socket as Partial<TLSSocket>).encrypted ? "https" : "http";
}

function peerOf(request: IncomingMessage): string | null {
  const address = request.socket.remoteAddress;
  if (address === undefined) return null;
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
