import { compactVerify, SignJWT } from "jose";
import { z } from "zod";
import { newId } from "../core/ids.ts";
import { type KeyLimits, SCOPES, type Scope, type WorkspacePrincipal } from "../core/principal.ts";
import { type CompactJws, readCompactJws } from "./compact-jws.ts";
import { invalidToken, tokenExpired } from "./credential.ts";
import { parseStrictObject } from "./strict-json.ts";
import type { TokenKeys } from "./token-keys.ts";

/** RFC 9068: the type of access tokens. Nothing else that is signed with these keys can pass for one. */
const TYPE = "at+jwt";
export const AUDIENCE = "urn:devflow:api";
/** Longest life of a token, in seconds. */
export const MAX_TOKEN_SECONDS = 3600;
/** Clocks of the machines that sign and verify may differ by this much, in seconds. */
const SKEW_SECONDS = 5;
const MAX_TIME = 253_402_300_799;

const Header = z.strictObject({ alg: z.literal("HS256"), typ: z.literal(TYPE), kid: z.string() });

const seconds = z.int().min(0).max(MAX_TIME);
const Claims = z.object({
  iss: z.string(),
  aud: z.literal(AUDIENCE),
  /** Id of the key that made it. */
  sub: z.string().regex(/^key_[0-9a-z]{20,30}$/),
  ws: z.string().regex(/^ws_[0-9a-z]{20,30}$/),
  /** Bucket of the rate limits. */
  bkt: z.string().regex(/^key_[0-9a-z]{20,30}$/),
  /** Epoch of the bucket's limiter when it was made. */
  epo: z.int().min(0),
  scope: z.string(),
  lim: z
    .record(z.string(), z.strictObject({ requests: z.int().min(1), window_seconds: z.int().min(1) }))
    .optional(),
  iat: seconds,
  exp: seconds,
  nbf: seconds.optional(),
  jti: z.string().min(1).max(100),
});

/** Who issues our tokens: each environment for itself, so that no token of one passes in another. */
export function issuerOf(environment: string): string {
  return `urn:devflow:${environment}`;
}

export interface MintDeps {
  tokenKeys: TokenKeys;
  issuer: string;
  now(): number;
}

/** A token for the key, as it was confirmed; `scopes` and `expiresInSeconds` were checked against it. */
export async function mintToken(
  deps: MintDeps,
  key: { keyId: string; workspaceId: string; bucketId: string; limits: KeyLimits; asOf: number },
  scopes: Scope[],
  expiresInSeconds: number,
): Promise<string> {
  const { id, key: secret } = await deps.tokenKeys.signing();
  const iat = Math.floor(deps.now() / 1000);
  const limited = Object.keys(key.limits).length > 0;
  return new SignJWT({
    ws: key.workspaceId,
    bkt: key.bucketId,
    epo: key.asOf,
    scope: scopes.join(" "),
    ...(limited ? { lim: key.limits } : {}),
  })
    .setProtectedHeader({ alg: "HS256", typ: TYPE, kid: id })
    .setIssuer(deps.issuer)
    .setAudience(AUDIENCE)
    .setSubject(key.keyId)
    .setIssuedAt(iat)
    .setExpirationTime(iat + expiresInSeconds)
    .setJti(newId("jti"))
    .sign(secret);
}

/**
 * Reads a token of our own. Costs no I/O; whether its key still stands, `confirm` says.
 * Errors: `token_expired` for one that is right in all but its end; `invalid_token`.
 */
export async function readOwnToken(
  deps: MintDeps,
  token: string,
  jws: CompactJws | null = readCompactJws(token),
): Promise<WorkspacePrincipal> {
  if (jws === null) throw invalidToken();
  const header = Header.safeParse(jws.header);
  if (!header.success) throw invalidToken();
  const key = await deps.tokenKeys.find(header.data.kid);
  if (key === null) throw invalidToken();
  try {
    await compactVerify(token, key.key, { algorithms: ["HS256"] });
  } catch (cause) {
    throw invalidToken(cause);
  }
  const claims = Claims.safeParse(parseStrictObject(jws.payload));
  if (!claims.success || claims.data.iss !== deps.issuer) throw invalidToken();
  const { iat, exp, nbf, ...rest } = claims.data;
  const scopes = parseScopes(rest.scope);
  const now = deps.now() / 1000;
  if (scopes === null || !isTimely({ iat, exp, nbf }, now, SKEW_SECONDS)) throw invalidToken();
  if (exp <= now) throw tokenExpired();
  return {
    kind: "jwt",
    issuer: null,
    keyId: rest.sub,
    workspaceId: rest.ws,
    bucketId: rest.bkt,
    scopes,
    limits: rest.lim ?? {},
    expiresAtMs: exp * 1000,
    asOf: rest.epo,
  };
}

/** Whether a token's times make sense, its end aside: made in the past, for an hour at most. */
export function isTimely(
  { iat, exp, nbf }: { iat: number; exp: number; nbf?: number | undefined },
  nowSeconds: number,
  skewSeconds: number,
): boolean {
  if (exp <= iat || exp - iat > MAX_TOKEN_SECONDS) return false;
  return iat <= nowSeconds + skewSeconds && (nbf ?? 0) <= nowSeconds + skewSeconds;
}

/** Scopes from RFC 6749's form (space-separated), in our order; null for an unknown or doubled one, or for none. */
export function parseScopes(text: string): Scope[] | null {
  const names = text.split(" ");
  if (new Set(names).size !== names.length) return null;
  const scopes = SCOPES.filter((scope) => names.includes(scope));
  return scopes.length === names.length ? scopes : null;
}
