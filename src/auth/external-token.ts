import { compactVerify, createLocalJWKSet } from "jose";
import { z } from "zod";
import { sha256 } from "../core/hash.ts";
import { base32 } from "../core/ids.ts";
import type { Issuer } from "../core/issuer.ts";
import type { Logger } from "../core/log.ts";
import { SCOPES, type Scope, type WorkspacePrincipal } from "../core/principal.ts";
import type { Database } from "../db/database.ts";
import { selectWorkspace } from "../db/workspaces.ts";
import type { CompactJws } from "./compact-jws.ts";
import { invalidToken, tokenExpired } from "./credential.ts";
import type { JwksCache } from "./jwks.ts";
import { parseStrictObject } from "./strict-json.ts";
import { isTimely } from "./token.ts";

/** Other people's clocks, in seconds. */
const SKEW_SECONDS = 30;

export interface ExternalTokenDeps {
  db: Database;
  issuers: readonly Issuer[];
  jwks: JwksCache;
  log: Logger;
  now(): number;
}

const Header = z.object({
  alg: z.string(),
  kid: z.string().min(1).max(500),
  typ: z
    .string()
    .regex(/^(application\/)?(at\+jwt|jwt)$/i)
    .optional(),
});

const time = z.int().min(0).max(253_402_300_799);
const Claims = z.looseObject({
  iss: z.string(),
  sub: z.string().min(1).max(500),
  aud: z.union([z.string(), z.array(z.string()).max(50)]),
  iat: time,
  exp: time,
  nbf: time.optional(),
});

/** Whether the token says that another issuer signed it: our own are HS256, theirs never. */
export function isExternal(jws: CompactJws): boolean {
  const { alg } = jws.header;
  return typeof alg === "string" && !alg.startsWith("HS");
}

/**
 * Reads a token of another issuer that the settings name. The claim `iss` only selects among those; signature,
 * audience, times and workspace are checked against the one that it selects.
 * Errors: `invalid_token`; `token_expired`; `upstream_unavailable` where the issuer's keys cannot be read.
 */
export async function readExternalToken(
  deps: ExternalTokenDeps,
  token: string,
  jws: CompactJws,
): Promise<WorkspacePrincipal> {
  const header = Header.safeParse(jws.header);
  const claims = Claims.safeParse(parseStrictObject(jws.payload));
  if (!header.success || !claims.success) throw invalidToken();
  const issuer = deps.issuers.find((one) => one.issuer === claims.data.iss);
  const algorithm = issuer?.algorithms.find((one) => one === header.data.alg);
  if (issuer === undefined || algorithm === undefined) throw invalidToken();
  const keys = await deps.jwks.find(issuer.jwks_url, header.data.kid, deps.log);
  try {
    await compactVerify(token, createLocalJWKSet(keys), { algorithms: [algorithm] });
  } catch (cause) {
    throw invalidToken(cause);
  }
  return principalOf(deps, issuer, claims.data);
}

async function principalOf(
  deps: ExternalTokenDeps,
  issuer: Issuer,
  claims: z.output<typeof Claims>,
): Promise<WorkspacePrincipal> {
  const now = deps.now() / 1000;
  const audiences = typeof claims.aud === "string" ? [claims.aud] : claims.aud;
  const workspaceId = claims[issuer.workspace_claim];
  if (!audiences.includes(issuer.audience) || !isTimely(claims, now, SKEW_SECONDS)) throw invalidToken();
  if (typeof workspaceId !== "string" || !issuer.workspaces.includes(workspaceId)) throw invalidToken();
  if (claims.exp <= now) throw tokenExpired();
  // No key of ours stands behind it that a deletion would revoke: the workspace itself is looked up.
  const [workspace] = await selectWorkspace(deps.db, workspaceId);
  if (workspace === undefined) throw invalidToken();
  const subject = await sha256(JSON.stringify([issuer.issuer, workspaceId, claims.sub]));
  const keyId = `ext_${base32(subject).slice(0, 25)}`;
  return {
    kind: "jwt",
    issuer: issuer.issuer,
    keyId,
    workspaceId,
    bucketId: keyId,
    scopes: grantedScopes(issuer, claims[issuer.scope_claim]),
    limits: {},
    expiresAtMs: claims.exp * 1000,
    asOf: null,
  };
}

/** What the issuer's scopes stand for here, in our order; unknown ones stand for nothing. */
function grantedScopes(issuer: Issuer, claim: unknown): Scope[] {
  const names = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  const granted = names.flatMap((name): string[] =>
    typeof name === "string" && Object.hasOwn(issuer.scopes, name) ? (issuer.scopes[name] ?? []) : [],
  );
  return SCOPES.filter((scope) => scope !== "admin" && granted.includes(scope));
}
