/** Whether the service answers, said on standard error when that changes: answers have a code alone. */

const AGAIN_MS = 10_000;

export class Standing {
  #away = false;
  #said = -Infinity;

  /** One line when an outage begins, and of a connection that comes and goes one in ten seconds. */
  failed(at: string, error: NodeJS.ErrnoException): void {
    const now = performance.now();
    if (this.#away || now - this.#said < AGAIN_MS) return;
    this.#away = true;
    this.#said = now;
    // What was tried at several addresses has a code and no message.
    say(`the service at ${at} does not answer: ${error.message || error.code}. Is it running?`);
  }

  answered(at: string): void {
    if (!this.#away) return;
    this.#away = false;
    say(`the service at ${at} answers again`);
  }
}

/** As Express' own handler: not in tests. */
function say(text: string): void {
  if (process.env["NODE_ENV"] !== "test") console.error(`holdfast: ${text}`);
}
