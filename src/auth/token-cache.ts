import { sha256Hex } from "../core/hash.ts";
import { Lru } from "../core/lru.ts";
import type { WorkspacePrincipal } from "../core/principal.ts";
import { tokenExpired } from "./credential.ts";
import { MAX_TOKEN_SECONDS } from "./token.ts";

/** Tokens that one isolate remembers: some 3 MB. */
const MAX_TOKENS = 5000;

/**
 * The tokens of our own that this isolate found good, by the SHA-256 of their whole text: a client sends one many
 * times. Only what never changes is remembered, its claims; its end is looked at each time, and whether its key
 * still stands the limiter says (`confirm`). Tokens that were refused, and those of other issuers, are not kept.
 * One for each isolate: secrets change with the deployment, and so with the isolate.
 */
export class TokenCache {
  readonly #tokens: Lru<WorkspacePrincipal>;
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#tokens = new Lru(MAX_TOKENS, MAX_TOKEN_SECONDS * 1000, now);
    this.#now = now;
  }

  /** @param verify reads the token in full. Errors: as it; `token_expired`. */
  async read(token: string, verify: () => Promise<WorkspacePrincipal>): Promise<WorkspacePrincipal> {
    const digest = await sha256Hex(token);
    const known = this.#tokens.get(digest);
    if (known !== undefined) {
      if ((known.expiresAtMs ?? 0) <= this.#now()) throw tokenExpired();
      return known;
    }
    const principal = await verify();
    if (principal.issuer === null) this.#tokens.set(digest, principal);
    return principal;
  }
}
