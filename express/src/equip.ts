/**
 * What handlers find on a request and its answer.
 *
 * Express gives each of them a shape of its own, so that every property put on one costs microseconds. An
 * application is therefore equipped once, by `app.request` and `app.response`, which are there for that.
 * Where they do not reach (no Express, or functions of other middleware on the answer, which come after
 * ours), the request and the answer get properties.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

import { Held } from "./answer.js";
import type { Sending } from "./answer.js";
import { holdBody, isComing } from "./body.js";
import { UsageError } from "./errors.js";
import { addHeaders, replyTo } from "./replies.js";
import type { User } from "./session.js";
import type { Visit } from "./visit.js";

/** Of Express; one that is mounted inherits from its parent. */
interface Application {
  parent?: Application;
  request: IncomingMessage;
  response: ServerResponse;
}

/** How an application's answers are sent: by these functions, which call those that were there. */
interface Equipment {
  ours: Sending;
  theirs: Sending;
}

type Request = IncomingMessage & {
  app?: Application;
  session?: unknown;
  user?: unknown;
  csrfToken?: unknown;
};

/** Whatever it is made of: what its subclasses put on themselves is put on that. */
const Itself = function (itself: object) {
  return itself;
} as unknown as new (itself: object) => object;

/**
 * A visit, on the list of the request's headers, where no log shows it. All lists have one shape, so that
 * it costs next to nothing; on the request it would cost as much as hashing the cookie does.
 */
class Carried extends Itself {
  #visit: Visit;

  private constructor(list: object, visit: Visit) {
    super(list);
    this.#visit = visit;
  }

  static by(list: object): Visit | undefined {
    return #visit in list ? list.#visit : undefined;
  }

  static put(list: object, visit: Visit): void {
    if (#visit in list) list.#visit = visit;
    else new Carried(list, visit);
  }
}

// As a private property of applications; nothing else is kept here.
const EQUIPPED = new WeakMap<Application, Equipment>();

/**
 * The visit in the chain that has these sessions: an application may have another one mounted.
 *
 * @throws UsageError the chain is not installed before this.
 */
export function visitOf(request: IncomingMessage, near: Visit["near"]): Visit {
  let visit = carried(request);
  while (visit !== undefined && visit.near !== near) visit = visit.outer;
  if (visit === undefined) throw missing();
  return visit;
}

function missing(): UsageError {
  return new UsageError("no session here: app.use(holdfast({…})) comes first");
}

function carried(request: Partial<IncomingMessage>): Visit | undefined {
  const { rawHeaders } = request;
  return rawHeaders && Carried.by(rawHeaders);
}

/** Let the request carry its visit, also within that of another chain; false: it is in this one already. */
export function carry(request: IncomingMessage, visit: Visit): boolean {
  const outer = carried(request);
  for (let each = outer; each !== undefined; each = each.outer) if (each.near === visit.near) return false;
  visit.outer = outer;
  if (outer !== undefined) outer.covered = true;
  Carried.put(request.rawHeaders, visit);
  return true;
}

/** The request is let in: its session is seen from here on, and its answer waits for it. */
export function enter(request: Request, response: ServerResponse, visit: Visit): void {
  visit.response = response;
  const equipment = request.app && equipped(request.app);
  let held: Held;
  if (
    equipment !== undefined &&
    response.req === request &&
    (response.end as unknown) === equipment.ours.end
  ) {
    const { theirs } = equipment;
    const outer = heldBy(visit.outer);
    held = visit.held = new Held(
      response,
      visit,
      outer === undefined ? theirs : sendingBy(() => outer, theirs),
    );
  } else {
    held = new Held(response, visit, sendingOf(response));
    Object.assign(
      response,
      sendingBy(() => held, sendingOf(response)),
    );
  }
  if (isComing(request) && visit.owner() !== null) {
    holdBody(request, visit, (error) => {
      visit.begun = visit.state.closed = true;
      // What is complete already is not cut off for what comes after it.
      return held.replace(replyTo(error)) || response.writableEnded;
    });
  }
  showSession(request, visit);
}

/** What `request.session` is, and whose tokens `request.csrfToken` gives. */
export function showSession(request: Request, visit: Visit): void {
  if (hidden(request, visit, "session")) request.session = visit.session;
  if (hidden(request, visit, "csrfToken")) request.csrfToken = () => csrfTokenOf(visit);
}

/** What `request.user` is. */
export function showUser(request: Request, visit: Visit, user: User): void {
  visit.user = user;
  if (visit.covered) showSession(request, visit);
  if (hidden(request, visit, "user")) request.user = user;
}

/** Whether the property of the application does not do: there is none, or that of another visit, or middleware. */
function hidden(request: Request, visit: Visit, name: keyof typeof SEEN): boolean {
  return visit.held === undefined || visit.outer !== undefined || Object.hasOwn(request, name);
}

/** What holds the answer of a visit, by the functions of the application. */
function heldBy(visit: Visit | undefined): Held | undefined {
  let each = visit;
  while (each !== undefined && each.held === undefined) each = each.outer;
  return each?.held;
}

function equipped(app: Application): Equipment {
  let root = app;
  while (root.parent !== undefined) root = root.parent;
  const before = EQUIPPED.get(root);
  if (before !== undefined) return before;
  const theirs = sendingOf(root.response);
  const ours = sendingBy((response) => heldBy(carried(response.req)), theirs);
  const equipment = { ours, theirs };
  EQUIPPED.set(root, equipment);
  Object.assign(root.response, ours);
  Object.defineProperties(root.request, SEEN);
  return equipment;
}

/** Properties of a request; who assigns to one has a property of the request itself, as ever. */
const SEEN = {
  session: seen("session", (visit) => visit.session),
  user: seen("user", (visit) => visit.user),
  csrfToken: seen("csrfToken", () => csrfToken),
};

function seen(name: string, by: (visit: Visit) => unknown): PropertyDescriptor {
  return {
    configurable: true,
    get(this: IncomingMessage) {
      const visit = carried(this);
      // Before the request is let in nobody sees anything.
      return visit?.response === undefined ? undefined : by(visit);
    },
    set(this: IncomingMessage, value: unknown) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
  };
}

async function csrfToken(this: IncomingMessage): Promise<string> {
  const visit = carried(this);
  if (visit === undefined) throw missing();
  return csrfTokenOf(visit);
}

async function csrfTokenOf(visit: Visit): Promise<string> {
  const { token, headers } = await visit.csrfToken();
  if (visit.response !== undefined) addHeaders(visit.response, headers);
  return token;
}

function sendingOf(response: ServerResponse): Sending {
  const { writeHead, write, end, flushHeaders } = response;
  return { writeHead, write, end, flushHeaders } as Sending;
}

/** The methods of answers some of which are held. */
function sendingBy(held: (response: ServerResponse) => Held | undefined, theirs: Sending): Sending {
  return {
    writeHead(status, reason, headers) {
      const each = held(this);
      if (each === undefined) return theirs.writeHead.call(this, status, reason, headers);
      if (each.open) return each.sending.writeHead.call(this, status, reason, headers);
      each.writeHead(status as number, reason, headers);
      return this;
    },
    write(chunk, encoding, done) {
      const each = held(this);
      return each ? each.write(chunk, encoding, done) : theirs.write.call(this, chunk, encoding, done);
    },
    end(chunk, encoding, done) {
      const each = held(this);
      if (each === undefined) return theirs.end.call(this, chunk, encoding, done);
      each.end(chunk, encoding, done);
      return this;
    },
    flushHeaders() {
      const each = held(this);
      return each ? each.flushHeaders() : theirs.flushHeaders.call(this);
    },
  };
}
