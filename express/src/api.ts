/** Asking the service: JSON over connections that are kept open. */
import * as http from "node:http";
import * as https from "node:https";

import { ConfigurationError, Refused, ServiceUnavailable } from "./errors.js";
import { Standing } from "./standing.js";
import { Together, Unanswered } from "./together.js";
import type { Asked } from "./together.js";

/** Characters of an answer; a session's data is the largest thing in one. */
const MOST = 4 * 1024 * 1024;
/** The service closes what has been idle for 5 seconds; a question must not meet that. */
const IDLE_MS = 4_000;
/** Questions that change nothing. */
const ASKING = new Set(["/requests/begin", "/tokens/verify", "/tokens/status"]);
const TOGETHER = "/requests/together";
/** What a timer of Node can wait. */
const LONGEST_MS = 2 ** 31 - 1;
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
  readonly #standing = new Standing();
  readonly #together = new Together((group) => void this.#send(group));
  /** The service is older than this package, and has to be asked one by one. */
  #apart = false;

  constructor(options: ApiOptions) {
    this.#base = baseOf(options.url, options.allowPlainHttp);
    // Of what is not there, such as a variable that was not set, the text would pass.
    if (typeof options.serviceKey !== "string" || !KEY.test(options.serviceKey)) {
      throw new ConfigurationError("serviceKey: is what `holdfast service-key NAME` prints");
    }
    const secure = this.#base.protocol === "https:";
    this.#request = secure ? https.request : http.request;
    const kept = { keepAlive: true, maxSockets: 64, scheduling: "lifo" as const, timeout: IDLE_MS };
    this.#agent = secure ? new https.Agent(kept) : new http.Agent(kept);
    this.#timeout = options.timeout ?? 5_000;
    // Any other is a millisecond to Node's timers, and every request would be an outage.
    if (!(this.#timeout >= 1 && this.#timeout <= LONGEST_MS)) {
      throw new ConfigurationError("timeout: is 1 to 2147483647 milliseconds, such as 5000");
    }
    this.#headers = { authorization: `Bearer ${options.serviceKey}`, accept: "application/json" };
  }

  /**
   * The answer to a question, whatever its status below 500.
   *
   * @throws ServiceUnavailable there is none in time, or the service cannot know, or knows us not.
   */
  ask<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    return this.#ask(method, path, body === undefined ? undefined : JSON.stringify(body));
  }

  /**
   * The body of a good answer.
   *
   * @throws Refused the service says no, with its status and code.
   * @throws ServiceUnavailable as `ask`.
   */
  async get<T>(method: string, path: string, body?: unknown): Promise<T> {
    return good(await this.ask<T>(method, path, body), `${method} ${path}`);
  }

  /** `ask` of what is to become of a request; together with others that ask now. */
  begin<T>(body: unknown): Promise<Answer<T>> {
    return this.#together.ask<T>("begin", body);
  }

  /** `get` of what has become of a request. */
  async commit<T>(body: unknown): Promise<T> {
    return good(await this.#together.ask<T>("commit", body), "a commit");
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

  async #ask<T>(method: string, path: string, text: string | undefined): Promise<Answer<T>> {
    try {
      return settled<T>(await this.#exchange(method, path, text, method === "GET" || ASKING.has(path)));
    } catch (error) {
      if (error instanceof Stale) return settled<T>(await this.#exchange(method, path, text, false));
      throw error;
    }
  }

  async #send(group: readonly Asked[], again = true): Promise<void> {
    if (group.length === 1 || this.#apart) {
      await Promise.all(group.map((each) => this.#alone(each)));
      return;
    }
    const text = group.map(({ kind, text: body }) => `["${kind}",${body}]`).join("\n");
    const left = new Unanswered(group);
    try {
      const raw = await this.#exchange("POST", TOGETHER, text, again, (answer, part) => {
        if (answer.statusCode !== 200) return false;
        const date = dateOf(answer);
        left.heard(part, (status, body, wait) => judged(status, body, date, wait));
        return true;
      });
      if (raw.answer.statusCode === 404) {
        this.#apart = true;
        return await this.#send(group);
      }
      if (raw.answer.statusCode !== 200) settled(raw);
      if (left.all.length > 0) throw new ServiceUnavailable("the answer ended early");
    } catch (error) {
      if (!(error instanceof Stale)) return left.failed(error);
      // As with one question: those that change nothing are asked once more.
      const lost = new ServiceUnavailable("no answer: the connection was closed");
      for (const each of left.all.filter(({ kind }) => kind === "commit")) each.reject(lost);
      const begins = left.all.filter(({ kind }) => kind === "begin");
      return begins.length > 0 ? this.#send(begins, false) : undefined;
    }
  }

  async #alone(asked: Asked): Promise<void> {
    try {
      asked.resolve(await this.#ask<never>("POST", `/requests/${asked.kind}`, asked.text));
    } catch (error) {
      asked.reject(error);
    }
  }

  /** @param heard is given the parts of an answer as they come, and may take them. */
  #exchange(
    method: string,
    path: string,
    text: string | undefined,
    again: boolean,
    heard: Heard = () => false,
  ): Promise<Raw> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> = { ...this.#headers };
      if (text !== undefined) {
        headers["content-type"] = path === TOGETHER ? "application/jsonl" : "application/json";
        headers["content-length"] = Buffer.byteLength(text);
      }
      const request = this.#request(this.#at(path), { method, headers, agent: this.#agent });
      const timer = setTimeout(() => request.destroy(new Error("timeout")), this.#timeout);
      const fail = (error: Error): void => {
        clearTimeout(timer);
        // The service closed a connection that was kept, just as it was used again. Whether it has still
        // done what was asked nobody knows, so only what changes nothing is asked once more.
        const stale = again && request.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET";
        if (!stale) this.#standing.failed(this.#base.origin, error);
        reject(stale ? new Stale() : new ServiceUnavailable(`no answer: ${error.message}`));
      };
      request.on("error", fail);
      request.on("response", (answer) => {
        this.#standing.answered(this.#base.origin);
        collect(answer, heard, fail, (body) => {
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

type Heard = (answer: http.IncomingMessage, part: string) => boolean;

function collect(
  answer: http.IncomingMessage,
  heard: Heard,
  fail: (error: Error) => void,
  done: (body: string) => void,
): void {
  let body = "";
  answer.setEncoding("utf8");
  answer.on("data", (part: string) => {
    try {
      if (!heard(answer, part)) body += part;
      if (body.length > MOST) throw new Error("the answer is too large");
    } catch (error) {
      answer.destroy(error as Error);
    }
  });
  answer.on("error", fail);
  answer.on("end", () => done(body));
}

function good<T>(answer: Answer<T>, what: string): T {
  if (answer.status < 300) return answer.body;
  const { code = "refused", error = "refused" } = answer.body as { code?: string; error?: string };
  throw new Refused(code, answer.status, `the service refused ${what}: ${error}`);
}

function settled<T>({ answer, body }: Raw): Answer<T> {
  const status = answer.statusCode ?? 500;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new ServiceUnavailable(`status ${status}, and no JSON`);
  }
  return judged<T>(status, value, dateOf(answer), Number(answer.headers["retry-after"]));
}

function dateOf(answer: http.IncomingMessage): number {
  return Date.parse(answer.headers.date ?? "");
}

/** The answer, if it is one. */
function judged<T>(status: number, value: unknown, date: number, wait = 1): Answer<T> {
  const code = (value as { code?: string }).code;
  if (status === 401 && code === "unauthenticated") {
    throw new ServiceUnavailable("the service does not know this service key", "service_key");
  }
  if (code === "scope_missing") {
    throw new ServiceUnavailable(`service key: ${(value as { error?: string }).error}`, "service_key");
  }
  if (status >= 500) {
    throw new ServiceUnavailable(`status ${status}, ${code}`, status === 503 ? code : undefined, wait || 1);
  }
  return { status, body: value as T, date };
}

function baseOf(text: string, plain?: boolean): URL {
  const url = addressOf("url", text, plain);
  return new URL(url.href.replace(/\/+$/, "") + "/backend/v1");
}

/**
 * The address that is given as this option.
 *
 * @throws ConfigurationError what goes there, or comes from there, could be read or changed on the way.
 */
export function addressOf(option: string, text: string, plain = false): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigurationError(`${option}: is an address, such as http://127.0.0.1:8080`);
  }
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && (local || plain))) {
    throw new ConfigurationError(
      `${option}: begins with https://, or with http:// on this machine; see allowPlainHttp`,
    );
  }
  return url;
}
