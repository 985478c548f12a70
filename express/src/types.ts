/**
 * For TypeScript: `import "@holdfast/express/types"` gives every request of Express what the chain puts on it.
 *
 * Not by itself, because `express-session` and `passport` say otherwise of the same names.
 */
import type { HoldfastRequest } from "./holdfast.js";
import type { User } from "./session.js";

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- where Express' own types look for it
  namespace Express {
    interface Request extends Pick<HoldfastRequest, "session" | "csrfToken"> {
      /** Who is signed in, behind a guard. What `authMiddleware` puts here has `userId` as well. */
      user?: User;
    }
  }
}
