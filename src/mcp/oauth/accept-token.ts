import { createMiddleware } from "hono/factory";
import { mintToken, parseScopes } from "../../auth/token.ts";
import type { AppContext, AppEnv } from "../../http/context.ts";
import { setHeaders } from "../../http/middleware/answer-headers.ts";
import { type GrantedKey, type OAuthAt, oauthAt } from "./server.ts";

/** Lifetime of the token that stands in for an OAuth token within one request. */
const STAND_IN_SECONDS = 60;
/** `user:grant:secret`, as the provider writes its access tokens: neither an API key nor a JWT has two colons. */
const ACCESS_TOKEN = /^Bearer +([^\s:]+:[^\s:]+:[^\s:]+)$/i;

/**
 * Lets OAuth tokens in at `/mcp`: such a token is exchanged for one of our own, made for the key that stands behind
 * its grant. All that follows (revocation, scopes, limits, events) is then as for any token of that key.
 */
export function acceptOAuthTokens() {
  return createMiddleware<AppEnv>(async function acceptOAuthTokensMiddleware(c, next) {
    if (!c.get("config").MCP_OAUTH) return next();
    const oauth = await oauthAt(c);
    const token = ACCESS_TOKEN.exec(c.req.header("authorization") ?? "")?.[1];
    // An address that has spent its failures is refused before anything is looked up.
    if (token !== undefined && c.get("failedCredentials")?.allowed !== false) {
      const own = await standIn(c, oauth, token);
      // Without one, the request goes on as it came, and is refused like any wrong credential.
      if (own !== null) {
        const headers = new Headers(c.req.raw.headers);
        headers.set("authorization", `Bearer ${own}`);
        c.req.raw = new Request(c.req.raw, { headers });
      }
    }
    await next();
    if (c.res.status === 401) announce(c, oauth);
  });
}

async function standIn(c: AppContext, oauth: OAuthAt, token: string): Promise<string | null> {
  const valid = await oauth.server.validateToken<GrantedKey>(oauth.resource, token, oauth.bindings);
  if (valid === null) return null;
  const scopes = parseScopes((valid.scope ?? []).join(" "));
  if (scopes === null) return null;
  // As of an epoch that no limiter is at: the key is read again as it stands now.
  const key = { ...valid.props, limits: {}, asOf: Number.MAX_SAFE_INTEGER };
  return mintToken(c.get("services").tokens, key, scopes, STAND_IN_SECONDS);
}

/** RFC 9728, section 5.1: where a client learns whom to ask for a token. */
function announce(c: AppContext, { issuer }: OAuthAt): void {
  const challenge = c.res.headers.get("www-authenticate") ?? 'Bearer realm="devflow"';
  const metadata = `${issuer}/.well-known/oauth-protected-resource/mcp`;
  setHeaders(c, { "www-authenticate": `${challenge}, resource_metadata="${metadata}"` });
}
