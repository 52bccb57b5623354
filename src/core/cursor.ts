import { DevFlowError } from "./errors.ts";
import { base64url, equalBytes, fromBase64url, hmacSha256 } from "./hash.ts";
import type { Secret } from "./secret.ts";

/** Where a list goes on: the sort keys of the last item shown. */
export type Position = (string | number)[];

/**
 * Signed cursors of lists. Opaque to clients, and bound to what they were made for (`scope`: workspace, route and
 * query): none can be made up, altered, or used in another list.
 */
export class Cursors {
  readonly #secret: Secret;

  /** @param secret the deployment's; the key of cursors is derived from it, so that no other signature serves here. */
  constructor(secret: Secret) {
    this.#secret = secret;
  }

  async sign(scope: string[], position: Position): Promise<string> {
    const payload = JSON.stringify(position);
    const mac = await this.#mac(scope, payload);
    return `${base64url(new TextEncoder().encode(payload))}.${base64url(mac)}`;
  }

  /** Errors: `invalid_cursor`. */
  async open(scope: string[], cursor: string): Promise<Position> {
    const [body = "", mac = "", ...rest] = cursor.split(".");
    const bytes = fromBase64url(body);
    const given = fromBase64url(mac);
    if (bytes === null || given === null || rest.length > 0) throw invalid();
    const payload = new TextDecoder().decode(bytes);
    if (!equalBytes(given, await this.#mac(scope, payload))) throw invalid();
    return JSON.parse(payload) as Position;
  }

  async #mac(scope: string[], payload: string): Promise<Uint8Array> {
    const key = await hmacSha256(this.#secret.reveal(), "devflow cursor v1");
    // 128 bits: short in URLs, and far beyond guessing online.
    return (await hmacSha256(key, JSON.stringify([scope, payload]))).slice(0, 16);
  }
}

function invalid(): DevFlowError {
  return new DevFlowError(
    "invalid_cursor",
    "This cursor does not belong to this list; start again without it.",
  );
}
