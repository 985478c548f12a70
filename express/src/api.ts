/** Asking the service: JSON over connections that are kept open. */
import * as http from "node:http";
import * as https from "node:https";

import { ConfigurationError, Refused, ServiceUnavailable } from "./errors.js";

/** Bytes of an answer; a session's data is the largest thing in one. */
const MOST = 4 * 1024 * 1024;
/** The service closes what has been idle for 5 seconds; a question must not meet that. */
const IDLE_MS = 4_000;
/** Questions that change nothing. */
const ASKING = new Set(["/requests/begin", "/tokens/verify", "/tokens/status"]);
const KEY = /^[\x21-\x7e]+$/;

export interface ApiOptions {
  url: string;
  serviceKey: string;
  /** Whether plain HTTP may be used to another machine: everything, the key too, can be read on the way. */
  allowPlainHttp?: boolean | undefined;
  /** Milliseconds for one answer. */
  timeout?: number | undefined;
}

export interface Answer<T> {
  status: number;
  body: T;
  /** The service's time of day in milliseconds, to the second. */
  date: number;
}

/** The back-end API of one service, with one key. */
export class Api {
  readonly #base: URL;
  readonly #timeout: number;
  readonly #agent: http.Agent;
  readonly #headers: Record<string, string>;
  readonly #request: typeof http.request;

  constructor(options: ApiOptions) {
    this.#base = baseOf(options.url, options.allowPlainHttp);
    if (!KEY.test(options.serviceKey)) {
      throw new ConfigurationError("serviceKey: is what `holdfast service-key NAME` prints");
    }
    const secure = this.#base.protocol === "https:";
    this.#request = secure ? https.request : http.request;
    const kept = { keepAlive: true, maxSockets: 64, scheduling: "lifo" as const, timeout: IDLE_MS };
    this.#agent = secure ? new https.Agent(kept) : new http.Agent(kept);
    this.#timeout = options.timeout ?? 5_000;
    this.#headers = { authorization: `Bearer ${options.serviceKey}`, accept: "application/json" };
  }

  /**
   * The answer to a question, whatever its status below 500.
   *
   * @throws ServiceUnavailable there is none in time, or the service cannot know, or knows us not.
   */
  async ask<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    try {
      return settled<T>(await this.#exchange(method, path, text, method === "GET" || ASKING.has(path)));
    } catch (error) {
      if (error instanceof Stale) return settled<T>(await this.#exchange(method, path, text, false));
      throw error;
    }
  }

  /**
   * The body of a good answer.
   *
   * @throws Refused the service says no, with its status and code.
   * @throws ServiceUnavailable as `ask`.
   */
  async get<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.ask<T>(method, path, body);
    if (answer.status < 300) return answer.body;
    const { code = "refused", error = "refused" } = answer.body as { code?: string; error?: string };
    throw new Refused(code, answer.status, `the service refused ${method} ${path}: ${error}`);
  }

  /**
   * An answer that does not end by itself, with its status; nobody waits longer than the timeout for it.
   * Who reads it must notice when it falls silent.
   */
  stream(path: string): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.#request(this.#at(path), {
        headers: { ...this.#headers, accept: "text/event-stream" },
        agent: false,
        timeout: this.#timeout,
      });
      request.on("response", (answer) => {
        request.setTimeout(0);
        resolve(answer);
      });
      request.on("socket", (socket) => socket.unref());
      request.on("timeout", () => request.destroy(new Error("timeout")));
      request.on("error", () => reject(new ServiceUnavailable("the service does not answer")));
      request.end();
    });
  }

  /** Close what is kept open. */
  close(): void {
    this.#agent.destroy();
  }

  #at(path: string): URL {
    return new URL(this.#base.href + path);
  }

  #exchange(method: string, path: string, text: string | undefined, again: boolean): Promise<Raw> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> = { ...this.#headers };
      if (text !== undefined) {
        headers["content-type"] = "application/json";
        headers["content-length"] = Buffer.byteLength(text);
      }
      const request = this.#request(this.#at(path), { method, headers, agent: this.#agent });
      const timer = setTimeout(() => request.destroy(new Error("timeout")), this.#timeout);
      const fail = (error: Error): void => {
        clearTimeout(timer);
        // The service closed a connection that was kept, just as it was used again. Whether it has still
        // done what was asked nobody knows, so only what changes nothing is asked once more.
        const stale = again && request.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET";
        reject(stale ? new Stale() : new ServiceUnavailable(`no answer: ${error.message}`));
      };
      request.on("error", fail);
      request.on("response", (answer) => {
        collect(answer, fail, (body) => {
          clearTimeout(timer);
          resolve({ answer, body });
        });
      });
      request.end(text);
    });
  }
}

interface Raw {
  answer: http.IncomingMessage;
  body: string;
}

class Stale extends Error {}

function collect(
  answer: http.IncomingMessage,
  fail: (error: Error) => void,
  done: (body: string) => void,
): void {
  const parts: Buffer[] = [];
  let size = 0;
  answer.on("data", (part: Buffer) => {
    size += part.length;
    if (size > MOST) answer.destroy(new Error("the answer is too large"));
    else parts.push(part);
  });
  answer.on("error", fail);
  answer.on("end", () => done(Buffer.concat(parts).toString("utf8")));
}

function settled<T>({ answer, body }: Raw): Answer<T> {
  const status = answer.statusCode ?? 500;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new ServiceUnavailable(`status ${status}, and no JSON`);
  }
  const code = (value as { code?: string }).code;
  if (status === 401 && code === "unauthenticated") {
    throw new ServiceUnavailable("the service does not know this service key", "service_key");
  }
  if (code === "scope_missing") {
    throw new ServiceUnavailable(`service key: ${(value as { error?: string }).error}`, "service_key");
  }
  if (status >= 500) {
    const wait = Number(answer.headers["retry-after"]) || 1;
    throw new ServiceUnavailable(`status ${status}, ${code}`, status === 503 ? code : undefined, wait);
  }
  return { status, body: value as T, date: Date.parse(answer.headers.date ?? "") };
}

function baseOf(text: string, plain = false): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigurationError("url: is the address of the service, such as http://127.0.0.1:8080");
  }
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && (local || plain))) {
    throw new ConfigurationError(
      "url: begins with https://, or with http:// on this machine; see allowPlainHttp",
    );
  }
  return new URL(url.href.replace(/\/+$/, "") + "/backend/v1");
}
