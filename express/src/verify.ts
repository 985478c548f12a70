/**
 * Access and refresh tokens verified here, where the keys are known; by `jose`, which has no
 * dependencies of its own. It is loaded at the first token: nobody pays for what is not used.
 */
import type { JWTVerifyGetKey, errors } from "jose" with { "resolution-mode": "import" };

import { addressOf } from "./api.js";
import { ConfigurationError } from "./errors.js";
import type { TokenError } from "./manager.js";

export interface KeyOptions {
  /** Where the service has its public keys: `https://…/.well-known/jwks.json`. */
  jwks?: string | undefined;
  /** Or a secret key that is shared with the service, with its name and algorithm. */
  secret?: { kid: string; key: Uint8Array } | undefined;
  /** `iss` and `aud` of tokens; `holdfast:production` if nothing is said. */
  issuer?: string | undefined;
  audience?: string | undefined;
}

type Jose = typeof import("jose", { with: { "resolution-mode": "import" } });

const ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"];
const LEEWAY_S = 30;
const TYP = { access: "at+jwt", refresh: "rt+jwt" };
/** Characters; longer texts are refused before any work. */
const MOST = 8 * 1024;
const SHORTEST = 32;

/** The keys that this application has; without any, everything is for the service to judge. */
export class LocalKeys {
  readonly #options: KeyOptions;
  readonly #address: URL | undefined;
  #getKey: JWTVerifyGetKey | undefined;

  /** @param plain whether keys may come over plain HTTP from another machine, where anybody could put theirs in. */
  constructor(options: KeyOptions, plain?: boolean) {
    if (options.secret && options.secret.key.length < SHORTEST) {
      throw new ConfigurationError(`secret: has at least ${SHORTEST} bytes`);
    }
    this.#options = options;
    if (options.jwks !== undefined) this.#address = addressOf("jwks", options.jwks, plain);
  }

  /** The claims; or why it does not count; or null: the service must be asked. */
  async verify(token: string, type: "access" | "refresh"): Promise<object | TokenError | null> {
    if (token.length > MOST || token.split(".").length !== 3) return "Invalid token";
    const { jwks, secret, issuer, audience } = this.#options;
    if (jwks === undefined && secret === undefined) return null;
    const jose = await library();
    try {
      const { payload } = await jose.jwtVerify(token, (this.#getKey ??= this.#keys(jose)), {
        algorithms: secret ? ["HS256"] : ALGORITHMS,
        typ: TYP[type],
        issuer: issuer ?? "holdfast:production",
        audience: audience ?? "holdfast:production",
        clockTolerance: LEEWAY_S,
        requiredClaims: ["sub", "sid", "jti", "iat", "exp"],
      });
      return payload["type"] === type ? payload : "Invalid token type";
    } catch (error) {
      return named(error as errors.JOSEError);
    }
  }

  #keys(jose: Jose): JWTVerifyGetKey {
    const { secret } = this.#options;
    if (this.#address !== undefined && !secret) return jose.createRemoteJWKSet(this.#address);
    return ({ kid }) => {
      if (secret === undefined || kid !== secret.kid) throw new jose.errors.JWKSNoMatchingKey();
      return secret.key;
    };
  }
}

/** What a token says, without a look at its signature: good for messages only. */
export function unverified(token: string): Record<string, unknown> | null {
  try {
    const part = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
    const value: unknown = JSON.parse(part);
    return typeof value === "object" ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function named(error: errors.JOSEError): TokenError | null {
  switch (error.code) {
    case "ERR_JWT_EXPIRED":
      return "Token expired";
    case "ERR_JWT_CLAIM_VALIDATION_FAILED":
      return (error as { claim?: string }).claim === "typ" ? "Invalid token type" : "Invalid token";
    case "ERR_JWS_SIGNATURE_VERIFICATION_FAILED":
    case "ERR_JWS_INVALID":
    case "ERR_JWT_INVALID":
    case "ERR_JOSE_ALG_NOT_ALLOWED":
      return "Invalid token";
    default:
      // No such key here, or no keys to be had: the service may know better.
      return null;
  }
}

let loaded: Promise<Jose> | undefined;

function library(): Promise<Jose> {
  return (loaded ??= import("jose"));
}
