import { Lru } from "../core/lru.ts";
import type { KeyLimits, Scope } from "../core/principal.ts";

/** A key that is cached is read again after this long, whatever the limiters say. */
export const KEY_CACHED_SECONDS = 60;
/** Keys that one isolate remembers: some 2 MB. */
const MAX_KEYS = 5000;

/** A valid key, as it was read. */
export interface KeyRecord {
  keyId: string;
  workspaceId: string;
  bucketId: string;
  scopes: Scope[];
  limits: KeyLimits;
  /** Milliseconds since the epoch, or null. */
  expiresAtMs: number | null;
  lastUsedAtMs: number | null;
  /** See `WorkspacePrincipal.asOf`. */
  asOf: number | null;
}

/**
 * The keys that this isolate saw lately: spares the database, and never decides alone. Each use is confirmed by
 * the key's limiter (`confirm`), which knows of revocations and changes at once. One for each isolate.
 */
export class KeyCache {
  readonly #ids: Lru<string>;
  readonly #records: Lru<KeyRecord>;

  constructor(now: () => number = Date.now) {
    this.#ids = new Lru(MAX_KEYS, KEY_CACHED_SECONDS * 1000, now);
    this.#records = new Lru(MAX_KEYS, KEY_CACHED_SECONDS * 1000, now);
  }

  byDigest(digest: string): KeyRecord | undefined {
    const id = this.#ids.get(digest);
    return id === undefined ? undefined : this.#records.get(id);
  }

  byId(keyId: string): KeyRecord | undefined {
    return this.#records.get(keyId);
  }

  set(digest: string, record: KeyRecord): void {
    this.#ids.set(digest, record.keyId);
    this.#records.set(record.keyId, record);
  }

  /** Changes what is remembered without believing it longer. */
  amend(keyId: string, change: Partial<Pick<KeyRecord, "asOf" | "lastUsedAtMs">>): void {
    const record = this.#records.get(keyId);
    if (record !== undefined) this.#records.replace(keyId, { ...record, ...change });
  }

  forget(keyId: string): void {
    this.#records.delete(keyId);
  }
}
