import type { WorkspacePrincipal } from "../core/principal.ts";
import { readCompactJws } from "./compact-jws.ts";
import { invalidToken } from "./credential.ts";
import { type ExternalTokenDeps, isExternal, readExternalToken } from "./external-token.ts";
import { type MintDeps, readOwnToken } from "./token.ts";

/**
 * Reads a token of whatever issuer. The algorithm that it names decides on which side it is judged, once and for
 * all: secrets never verify another issuer's tokens, and public keys never verify ours.
 * Errors: `invalid_token`, `token_expired`, `upstream_unavailable`.
 */
export async function readToken(
  deps: { own: MintDeps; external: ExternalTokenDeps },
  token: string,
): Promise<WorkspacePrincipal> {
  const jws = readCompactJws(token);
  if (jws === null) throw invalidToken();
  return isExternal(jws) ? readExternalToken(deps.external, token, jws) : readOwnToken(deps.own, token, jws);
}
