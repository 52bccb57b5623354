import type { OAuthAuthorizationServer } from "@cloudflare/workers-oauth-provider";
import { DevFlowError } from "../../core/errors.ts";
import type { Scope } from "../../core/principal.ts";
import { selectKeyById } from "../../db/api-keys.ts";
import type { AppContext } from "../../http/context.ts";

/** What a grant remembers of the key that a person gave it: who it is, never the key itself. */
export interface GrantedKey {
  keyId: string;
  workspaceId: string;
  bucketId: string;
}

/** Scopes that a grant may hold: tools read, and may spend on the chat model. None of them changes anything. */
export const GRANT_SCOPES = ["search", "ask"] as const satisfies readonly Scope[];

/** Seconds. An access token is exchanged for the key's standing at each use, so revoking the key ends it at once. */
const ACCESS_TOKEN_SECONDS = 3600;
const REFRESH_TOKEN_SECONDS = 30 * 86_400;
const CLIENT_SECONDS = 90 * 86_400;

export interface OAuthAt {
  server: OAuthAuthorizationServer<OAuthBindings>;
  bindings: OAuthBindings;
  issuer: string;
  /** RFC 8707: tokens are good for this alone. */
  resource: string;
}

interface OAuthBindings {
  OAUTH_KV: KVNamespace;
}

/** Errors: `not_found` where the operator has not turned it on; `misconfigured` where its namespace is not bound. */
export async function oauthAt(c: AppContext): Promise<OAuthAt> {
  if (!c.get("config").MCP_OAUTH)
    throw new DevFlowError("not_found", "OAuth is not turned on here (MCP_OAUTH).");
  const { OAUTH_KV } = c.env as Partial<OAuthBindings>;
  if (OAUTH_KV === undefined) {
    throw new DevFlowError("misconfigured", "MCP_OAUTH is on, and no KV namespace is bound as OAUTH_KV.");
  }
  // Loaded by who needs it: most deployments leave OAuth off.
  const { OAuthAuthorizationServer, OAuthError } = await import("@cloudflare/workers-oauth-provider");
  const issuer = new URL(c.req.url).origin;
  const resource = `${issuer}/mcp`;
  const server = new OAuthAuthorizationServer<OAuthBindings>({
    issuer,
    resources: [resource],
    defaultResource: resource,
    authorizeEndpoint: "/oauth/authorize",
    tokenEndpoint: "/oauth/token",
    clientRegistrationEndpoint: "/oauth/register",
    scopesSupported: [...GRANT_SCOPES],
    accessTokenTTL: ACCESS_TOKEN_SECONDS,
    refreshTokenTTL: REFRESH_TOKEN_SECONDS,
    clientRegistrationTTL: CLIENT_SECONDS,
    // Editors and desktop clients listen on schemes of their own.
    allowPrivateUseRedirectUris: true,
    async tokenExchangeCallback({ grantType, props }) {
      if (grantType !== "refresh_token" || (await keyStands(c, props as GrantedKey))) return;
      throw new OAuthError("invalid_grant", {
        description: "The API key behind this grant is no longer valid.",
      });
    },
  });
  return { server, bindings: { OAUTH_KV }, issuer, resource };
}

/** Whether a revoked, expired or deleted key has not taken the ground from under the grant. */
async function keyStands(c: AppContext, { keyId, workspaceId }: GrantedKey): Promise<boolean> {
  const { db, now } = c.get("services");
  const [row] = await selectKeyById(db, keyId);
  if (row === undefined || row.key.workspaceId !== workspaceId || row.key.revokedAt !== null) return false;
  return row.workspaceDeletedAt === null && (row.key.expiresAt === null || row.key.expiresAt > now());
}
