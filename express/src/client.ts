/** What a browser does for a page, done for a test: cookies are kept, and what is unsafe has a CSRF token. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { Api } from "./api.js";
import { Refused, ServiceUnavailable } from "./errors.js";
import { isSafe } from "./facts.js";
import type { Headers as Lines, Reply } from "./replies.js";

/** An application, a server that may listen already, or where one does: `http://127.0.0.1:3000`. */
export type Target = RequestListener | Server | string;

export interface Sent {
  headers?: Record<string, string>;
  /** Whether a CSRF token goes along; without a word with what is unsafe, but not beside `Authorization`. */
  csrf?: boolean;
}

export interface SignedIn {
  /** What the session holds from the beginning. */
  data?: object;
}

interface Made {
  session: { id: string };
  set_cookie: string;
}

interface Proved {
  reply: Reply | null;
  csrf_token: string;
  headers: Lines;
}

const HEADER = "X-CSRF-Token";
const COMMIT = "/requests/commit";
/** Of a request for which a token is made; the service asks no more of it than its cookies. */
const PAGE = { method: "GET", scheme: "http", host: "127.0.0.1", path: "/", peer: "127.0.0.1" };

/** One person's browser in front of an application under test; `service.client(app)` makes it. */
export class Client {
  /** By name; a copy of them is a stolen cookie. */
  readonly cookies = new Map<string, string>();
  readonly #api: Api;
  readonly #target: Target;
  #server: Server | undefined;
  #proof: { cookie: string; token: string } | undefined;

  /** @internal */
  constructor(api: Api, target: Target) {
    this.#api = api;
    this.#target = target;
  }

  get(path: string, sent?: Sent): Promise<Response> {
    return this.request("GET", path, undefined, sent);
  }

  post(path: string, body?: unknown, sent?: Sent): Promise<Response> {
    return this.request("POST", path, body, sent);
  }

  put(path: string, body?: unknown, sent?: Sent): Promise<Response> {
    return this.request("PUT", path, body, sent);
  }

  patch(path: string, body?: unknown, sent?: Sent): Promise<Response> {
    return this.request("PATCH", path, body, sent);
  }

  delete(path: string, body?: unknown, sent?: Sent): Promise<Response> {
    return this.request("DELETE", path, body, sent);
  }

  /**
   * The answer, as `fetch` gives it; redirects are not followed.
   *
   * @param body goes as JSON if it is an object or a list, and otherwise as `fetch` sends it.
   */
  async request(method: string, path: string, body?: unknown, sent: Sent = {}): Promise<Response> {
    const headers = new Headers(sent.headers);
    const proves = sent.csrf ?? !(isSafe(method) || headers.has("Authorization"));
    if (proves && !headers.has(HEADER)) await this.#prove(headers);
    if (this.cookies.size > 0 && !headers.has("Cookie")) headers.set("Cookie", this.cookie);
    const json = isPlain(body);
    if (json && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");
    const given = (json ? JSON.stringify(body) : body) as Exclude<RequestInit["body"], undefined>;
    const address = (await this.#origin()) + path;
    const answer = await fetch(address, { method, headers, body: given ?? null, redirect: "manual" });
    this.#keep(answer.headers.getSetCookie());
    return answer;
  }

  /** Have a new session of this subject; its id. An earlier one is not ended, only forgotten. */
  async signIn(subject: string, claims: object = {}, { data = {} }: SignedIn = {}): Promise<string> {
    const { session, set_cookie } = await this.#api.get<Made>("POST", "/sessions", { subject, claims, data });
    this.#keep([set_cookie]);
    return session.id;
  }

  /**
   * A token for the next unsafe request.
   *
   * @throws Refused the service refuses whatever comes like this, by its settings.
   */
  async csrfToken(): Promise<string> {
    const { cookie } = this;
    if (this.#proof?.cookie === cookie) return this.#proof.token;
    const request = { ...PAGE, headers: cookie === "" ? {} : { cookie } };
    const made = await this.#api.get<Proved>("POST", COMMIT, { request, csrf_token: true });
    if (made.reply) throw new Refused("csrf_token", made.reply.status, `no token: ${made.reply.body}`);
    this.#keep(made.headers.filter(([name]) => /^set-cookie$/i.test(name)).map(([, line]) => line));
    this.#proof = { cookie: this.cookie, token: made.csrf_token };
    return made.csrf_token;
  }

  /** All cookies, as the header has them. */
  get cookie(): string {
    return [...this.cookies].map((pair) => pair.join("=")).join("; ");
  }

  /** Stop listening, if it was this that listened. */
  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
    this.#server = undefined;
  }

  /** Where the service is away there is no token, and the application cannot look at one either. */
  async #prove(headers: Headers): Promise<void> {
    try {
      headers.set(HEADER, await this.csrfToken());
    } catch (error) {
      if (!(error instanceof ServiceUnavailable)) throw error;
    }
  }

  async #origin(): Promise<string> {
    const target = this.#target;
    if (typeof target === "string") return target;
    const server = typeof target === "function" ? (this.#server ??= createServer(target).unref()) : target;
    if (!server.listening) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #keep(lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = "", ...attributes] = line.split(/; */);
      const at = pair.indexOf("=");
      const name = pair.slice(0, at);
      if (attributes.some(isOver)) this.cookies.delete(name);
      else this.cookies.set(name, pair.slice(at + 1));
    }
  }
}

function isOver(attribute: string): boolean {
  const [name = "", value = ""] = attribute.split("=", 2);
  if (/^max-age$/i.test(name)) return Number(value) <= 0;
  return /^expires$/i.test(name) && Date.parse(value) <= Date.now();
}

function isPlain(body: unknown): boolean {
  if (typeof body !== "object" || body === null) return false;
  const prototype: unknown = Object.getPrototypeOf(body);
  return prototype === Object.prototype || prototype === null || Array.isArray(body);
}
