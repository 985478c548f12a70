/** Questions about requests: those that come up in one turn of the event loop go in one call. */
import type { Answer } from "./api.js";

/** What is asked of a request, before its handler and after it. */
export type Kind = "begin" | "commit";

/** A question, and who waits for the answer. */
export interface Asked {
  readonly kind: Kind;
  readonly text: string;
  resolve(answer: Answer<never>): void;
  reject(error: unknown): void;
}

/** Questions, and characters, of one call; the service takes twice as many, and 256 KiB. */
const MOST = 32;
const MOST_TEXT = 80_000;
/** Characters of one answer. */
const MOST_ANSWER = 4 * 1024 * 1024;

export class Together {
  #waiting: Asked[] = [];

  /** @param send asks some questions at once. */
  constructor(readonly send: (group: readonly Asked[]) => void) {}

  /** The answer to a question, whatever its status below 500; throws as `Api.ask`. */
  ask<T>(kind: Kind, body: unknown): Promise<Answer<T>> {
    const text = JSON.stringify(body);
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#go());
      this.#waiting.push({ kind, text, resolve, reject });
    });
  }

  #go(): void {
    let group: Asked[] = [];
    let size = 0;
    for (const each of this.#waiting.splice(0)) {
      size += each.text.length;
      if (group.length === MOST || (group.length > 0 && size > MOST_TEXT)) {
        this.send(group);
        group = [];
        size = each.text.length;
      }
      group.push(each);
    }
    this.send(group);
  }
}

/** Those of a group that have no answer yet. */
export class Unanswered {
  readonly #left: (Asked | undefined)[];
  #rest = "";

  constructor(group: readonly Asked[]) {
    this.#left = [...group];
  }

  get all(): Asked[] {
    return this.#left.filter((each) => each !== undefined);
  }

  /**
   * Some more of the answer: a line for each question, `[place, status, body, seconds to wait]`.
   *
   * @throws Error it is nothing of the kind.
   */
  heard(text: string, answered: (status: number, body: unknown, wait?: number) => Answer<unknown>): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MOST_ANSWER) throw new Error("the answer is too large");
    for (const line of lines) {
      const [place, status, body, wait] = JSON.parse(line) as [number, number, unknown, number?];
      const asked = this.#left[place];
      this.#left[place] = undefined;
      try {
        asked?.resolve(answered(status, body, wait) as Answer<never>);
      } catch (error) {
        asked?.reject(error);
      }
    }
  }

  /** There will be no more. */
  failed(error: unknown): void {
    for (const each of this.all) each.reject(error);
  }
}
