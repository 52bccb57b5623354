import { base64url, hmacSha256 } from "../core/hash.ts";
import type { Secret } from "../core/secret.ts";

/** A key of our own tokens; `id` is told in their header and tells nothing of the key. */
export interface TokenKey {
  id: string;
  key: CryptoKey;
}

/**
 * The keys that sign and verify our own tokens: the current secret signs, the one before the last rotation only
 * verifies. One for each isolate: keys are imported once.
 */
export class TokenKeys {
  readonly #current: Secret;
  readonly #previous: Secret | null;
  #derived: Promise<TokenKey[]> | null = null;

  constructor(current: Secret, previous: Secret | null) {
    this.#current = current;
    this.#previous = previous;
  }

  /** The key that signs. */
  async signing(): Promise<TokenKey> {
    const [key] = await this.#all();
    if (key === undefined) throw new Error("there is no key to sign with");
    return key;
  }

  /** The key with that id, or null. The id is compared, never used to look anything up. */
  async find(id: unknown): Promise<TokenKey | null> {
    return (await this.#all()).find((key) => key.id === id) ?? null;
  }

  #all(): Promise<TokenKey[]> {
    const secrets = this.#previous === null ? [this.#current] : [this.#current, this.#previous];
    this.#derived ??= Promise.all(secrets.map((secret) => deriveKey(secret.reveal())));
    return this.#derived;
  }
}

async function deriveKey(secret: string): Promise<TokenKey> {
  const digest = await hmacSha256(secret, "devflow token key id v1");
  const bytes = new TextEncoder().encode(secret);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]);
  return { id: base64url(digest.slice(0, 9)), key };
}
