import type { AuthRequest } from "@cloudflare/workers-oauth-provider";
import { z } from "@hono/zod-openapi";
import { authenticate } from "../../auth/authenticate.ts";
import { DevFlowError } from "../../core/errors.ts";
import type { WorkspacePrincipal } from "../../core/principal.ts";
import { readBytes } from "../../http/body.ts";
import type { AppContext } from "../../http/context.ts";
import { type InnerFetch, innerApp } from "../../http/inner.ts";
import { defineRoute, type Route } from "../../http/route.ts";
import { consentPage } from "./consent-page.ts";
import { GRANT_SCOPES, type GrantedKey, type OAuthAt, oauthAt } from "./server.ts";

const tag = "MCP";
/** Bytes of a form, a token request or a registration: many times what an honest one has. */
const MAX_BODY_BYTES = 64 * 1024;
const MEANINGS: Record<(typeof GRANT_SCOPES)[number], string> = {
  search: "search and read the code of the workspace",
  ask: "ask its chat model questions, which spends tokens of the workspace",
};
/** The client's own query, read and checked by the OAuth library. */
const anyQuery = z.looseObject({});

/** OAuth 2.1 for MCP clients, where the operator turned it on: discovery, registration, consent, tokens. */
export function oauthRoutes(routes: () => readonly Route[]): Route[] {
  let inner: InnerFetch | null = null;
  return [
    protocol("get", "/.well-known/oauth-authorization-server", "OAuth: the authorization server (RFC 8414)"),
    resourceMetadata("/.well-known/oauth-protected-resource"),
    resourceMetadata("/.well-known/oauth-protected-resource/mcp"),
    protocol("post", "/oauth/register", "OAuth: register a client (RFC 7591)", ["application/json"]),
    protocol("post", "/oauth/token", "OAuth: exchange a code or refresh a token", [
      "application/x-www-form-urlencoded",
    ]),
    defineRoute({
      method: "get",
      path: "/oauth/authorize",
      summary: "OAuth: the page on which a person lets a client in",
      tag,
      access: "public",
      limit: null,
      query: anyQuery,
      unknownQuery: "RFC 6749, section 3.1",
      responses: { 200: { description: "The page.", contentType: "text/html" } },
      async handle(c) {
        const oauth = await oauthAt(c);
        return showConsent(c, oauth, await readRequest(c, oauth), null);
      },
    }),
    defineRoute({
      method: "post",
      path: "/oauth/authorize",
      summary: "OAuth: the answer of that person",
      tag,
      access: "public",
      limit: null,
      query: anyQuery,
      unknownQuery: "RFC 6749, section 3.1",
      rawBody: { contentTypes: ["application/x-www-form-urlencoded"], description: "The form of the page." },
      responses: {
        303: { description: "Back to the client, with a code or a refusal." },
        200: { description: "The page again, and why.", contentType: "text/html" },
      },
      async handle(c) {
        inner ??= innerApp(routes());
        const oauth = await oauthAt(c);
        const request = await readRequest(c, oauth);
        const form = new URLSearchParams(
          new TextDecoder().decode(await readBytes(c.req.raw, MAX_BODY_BYTES)),
        );
        if (form.get("decision") !== "allow") {
          const { authorizationErrorRedirect } = await import("@cloudflare/workers-oauth-provider");
          return seeOther(authorizationErrorRedirect(request, "access_denied"));
        }
        const scopes = GRANT_SCOPES.filter((scope) => form.getAll("scope").includes(scope));
        const key = await readKey(c, inner, form.get("key")?.trim() ?? "");
        if (typeof key === "string") return showConsent(c, oauth, request, key);
        const granted = scopes.filter((scope) => key.scopes.includes(scope));
        if (granted.length === 0) {
          return showConsent(c, oauth, request, "Choose at least one thing that this key may do.");
        }
        const { keyId, workspaceId, bucketId } = key;
        const props: GrantedKey = { keyId, workspaceId, bucketId };
        const { redirectTo } = await oauth.server.getOAuthApi(oauth.bindings).completeAuthorization({
          request,
          userId: keyId,
          metadata: { workspaceId },
          scope: granted,
          props,
          revokeExistingGrants: false,
        });
        return seeOther(redirectTo);
      },
    }),
  ];

  /** What the library answers by itself, in the forms of its RFCs. */
  function protocol(method: "get" | "post", path: string, summary: string, contentTypes?: string[]): Route {
    return defineRoute({
      method,
      path,
      summary,
      tag,
      access: "public",
      limit: null,
      ...(contentTypes ? { rawBody: { contentTypes, description: "As the RFC says." } } : {}),
      responses: { 200: { description: "As the RFC says.", contentType: "application/json" } },
      async handle(c) {
        const { server, bindings } = await oauthAt(c);
        const request =
          method === "get"
            ? c.req.raw
            : new Request(c.req.raw, { body: await readBytes(c.req.raw, MAX_BODY_BYTES) });
        const answer = await server.fetch(request, bindings, c.executionCtx as ExecutionContext);
        return new Response(answer.body, answer);
      },
    });
  }
}

/** RFC 9728. */
function resourceMetadata(path: string): Route {
  return defineRoute({
    method: "get",
    path,
    summary: "OAuth: whom to ask for a token (RFC 9728)",
    tag,
    access: "public",
    limit: null,
    responses: {
      200: {
        description: "The metadata.",
        schema: z.object({
          resource: z.string(),
          authorization_servers: z.array(z.string()),
          scopes_supported: z.array(z.string()),
          bearer_methods_supported: z.array(z.string()),
          resource_name: z.string(),
        }),
      },
    },
    async handle(c) {
      const { resource, issuer } = await oauthAt(c);
      return c.json({
        resource,
        authorization_servers: [issuer],
        scopes_supported: [...GRANT_SCOPES],
        bearer_methods_supported: ["header"],
        resource_name: "DevFlow",
      });
    },
  });
}

/** Errors: `invalid_request` where nobody may be sent back: an unknown client, or an address that is not its own. */
async function readRequest(c: AppContext, { server, bindings }: OAuthAt): Promise<AuthRequest> {
  try {
    return await server.getOAuthApi(bindings).parseAuthRequest(new Request(c.req.url));
  } catch (cause) {
    const { AuthorizationError } = await import("@cloudflare/workers-oauth-provider");
    const why = cause instanceof AuthorizationError ? cause.description : "It cannot be read.";
    throw new DevFlowError("invalid_request", `Not an authorization request: ${why}`, { cause });
  }
}

/**
 * The key that the person gave, or why it was refused. It is tried at the door that all keys are tried at, so failures
 * count against the address, and are events.
 */
async function readKey(c: AppContext, inner: InnerFetch, key: string): Promise<WorkspacePrincipal | string> {
  if (key === "") return "Give an API key of your workspace.";
  const authorization = `Bearer ${key}`;
  const url = new URL("/v1/auth/whoami", c.req.url);
  const answer = await inner(c, new Request(url, { headers: { authorization } }));
  if (!answer.ok) return ((await answer.json()) as { detail: string }).detail;
  const principal = await authenticate(c.get("services").authentication, authorization);
  if (principal.kind !== "api_key") return "Give an API key of a workspace, not a token or the root key.";
  return principal;
}

async function showConsent(
  c: AppContext,
  { server, bindings }: OAuthAt,
  request: AuthRequest,
  refusal: string | null,
) {
  const described = await server.getOAuthApi(bindings).describeConsent(request);
  const asked = request.scope.length === 0 ? GRANT_SCOPES : request.scope;
  const page = await consentPage({
    clientName: described.clientName,
    redirectHost: described.redirectHost,
    redirectIsLoopback: described.redirectIsLoopback,
    action: `/oauth/authorize${new URL(c.req.url).search}`,
    scopes: GRANT_SCOPES.map((name) => ({ name, meaning: MEANINGS[name], checked: asked.includes(name) })),
    refusal,
  });
  return c.html(page, 200, {
    "cache-control": "no-store",
    "content-security-policy": `default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' ${redirectSource(request.redirectUri)}`,
  });
}

/** Browsers hold the redirect after a form to `form-action` too (CSP 3, section 6.4.1). */
function redirectSource(uri: string): string {
  const { origin, protocol } = new URL(uri);
  return origin === "null" ? protocol : origin;
}

function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
}
