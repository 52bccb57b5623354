import type { JSONWebKeySet } from "jose";
import { z } from "zod";
import { DevFlowError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";

const TIMEOUT_MS = 5000;
const MAX_BYTES = 64 * 1024;
const MAX_KEYS = 50;
/** Keys are believed this long without being read again. */
const FRESH_MS = 10 * 60_000;
/** … and this long where reading them again fails. */
const USABLE_MS = 60 * 60_000;
/** A token with an unknown key id has the keys read again, but not oftener than this. */
const COOLDOWN_MS = 30_000;

/** `fetch`, as an argument: tests have no network. */
export type FetchJwks = (url: string, init: RequestInit) => Promise<Response>;

const JwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(MAX_KEYS) });

interface Entry {
  keys: JSONWebKeySet["keys"];
  readAt: number;
  triedAt: number;
}

/**
 * Public keys of other issuers, by the address that the settings name; nothing in a token steers what is fetched.
 * One for each isolate; holds one entry for each configured issuer. Requests do not share a fetch that is under
 * way: the platform binds it to its request.
 */
export class JwksCache {
  readonly #entries = new Map<string, Entry>();
  readonly #fetch: FetchJwks;
  readonly #now: () => number;

  constructor(fetchJwks: FetchJwks, now: () => number = Date.now) {
    this.#fetch = fetchJwks;
    this.#now = now;
  }

  /**
   * The asymmetric keys with that id; none where the issuer has none.
   * Errors: `upstream_unavailable` where no keys are known and none can be read.
   */
  async find(url: string, keyId: string, log: Logger): Promise<JSONWebKeySet> {
    const entry = this.#entries.get(url);
    const now = this.#now();
    const known = entry !== undefined && now - entry.readAt < USABLE_MS ? entry : null;
    const found = known?.keys.filter((key) => key.kid === keyId) ?? [];
    const fresh = known !== null && now - known.readAt < FRESH_MS;
    if (fresh && found.length > 0) return { keys: found };
    const resting = entry !== undefined && now - entry.triedAt < COOLDOWN_MS;
    if (resting) {
      if (known === null) throw unavailable(new Error("the keys could not be read a moment ago"));
      return { keys: found };
    }
    if (entry !== undefined) entry.triedAt = now;
    try {
      const keys = await readJwks(this.#fetch, url);
      this.#entries.set(url, { keys, readAt: now, triedAt: now });
      return { keys: keys.filter((key) => key.kid === keyId) };
    } catch (cause) {
      if (entry === undefined)
        this.#entries.set(url, { keys: [], readAt: Number.NEGATIVE_INFINITY, triedAt: now });
      if (known === null) throw unavailable(cause);
      log.warning("the keys of an issuer could not be read again", { url });
      return { keys: found };
    }
  }
}

async function readJwks(fetchJwks: FetchJwks, url: string): Promise<JSONWebKeySet["keys"]> {
  const response = await fetchJwks(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the keys answer with status ${response.status}`);
  }
  const { keys } = JwksSchema.parse(JSON.parse(await boundedText(response)));
  // A symmetric key in public is nobody's, and would let anybody sign.
  return keys.filter(
    (key) => ["RSA", "EC", "OKP"].includes(key.kty) && !("d" in key),
  ) as JSONWebKeySet["keys"];
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > MAX_BYTES) throw new Error(`the keys are longer than ${MAX_BYTES} bytes`);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

function unavailable(cause: unknown): DevFlowError {
  return new DevFlowError("upstream_unavailable", "The keys of the token's issuer cannot be read.", {
    cause,
    headers: { "retry-after": "30" },
  });
}
