import { DevFlowError } from "../core/errors.ts";
import type { Scope, WorkspacePrincipal } from "../core/principal.ts";
import { insufficientScope, invalidApiKey } from "./credential.ts";
import { type MintDeps, mintToken } from "./token.ts";

/** A shorter token is refused: it would end before it is used. */
const SHORTEST_SECONDS = 1;

export interface IssuedToken {
  token: string;
  expiresInSeconds: number;
  scopes: Scope[];
}

/**
 * Exchanges a key for a token that can do no more and lives no longer than the key.
 * @param scopes null: all of the key's.
 * Errors: `insufficient_scope` for scopes that the key lacks; `invalid_api_key` for a key in its last second.
 */
export async function exchangeKey(
  deps: MintDeps,
  key: WorkspacePrincipal,
  scopes: Scope[] | null,
  expiresInSeconds: number,
): Promise<IssuedToken> {
  const granted = scopes ?? key.scopes;
  const missing = granted.filter((scope) => !key.scopes.includes(scope));
  if (missing.length > 0) {
    throw insufficientScope(`The key lacks the scope ${missing.join(" ")}.`, missing.join(" "));
  }
  const { asOf } = key;
  // The token tells under which epoch its key was read: without the limiter, nobody knows.
  if (asOf === null) {
    throw new DevFlowError("upstream_unavailable", "Tokens cannot be made at the moment.");
  }
  const left = key.expiresAtMs === null ? Infinity : Math.floor((key.expiresAtMs - deps.now()) / 1000);
  const lifetime = Math.min(expiresInSeconds, left);
  if (lifetime < SHORTEST_SECONDS) throw invalidApiKey("expired");
  const token = await mintToken(deps, { ...key, asOf }, granted, lifetime);
  return { token, expiresInSeconds: lifetime, scopes: granted };
}
