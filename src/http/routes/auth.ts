import { z } from "@hono/zod-openapi";
import { exchangeKey } from "../../auth/exchange.ts";
import { parseScopes } from "../../auth/token.ts";
import { workspaceName } from "../../auth/workspaces.ts";
import { SCOPES, type Scope } from "../../core/principal.ts";
import { effectiveLimits } from "../../limits/policy.ts";
import { principalOf, workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";
import { timeView } from "./key-schemas.ts";

const tag = "Credentials";

/** RFC 6749, section 3.3: names between single spaces. */
const ScopeSchema = z
  .string()
  .max(100)
  .transform((text, context): Scope[] => {
    const scopes = parseScopes(text);
    if (scopes !== null) return scopes;
    context.addIssue({ code: "custom", message: `Some of: ${SCOPES.join(" ")}, each once.` });
    return z.NEVER;
  });

export const authRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/auth/token",
    summary: "Exchange an API key for a short-lived token",
    description:
      "The token can do no more than the key, ends no later, and is refused once the key is revoked.",
    tag,
    access: "api_key",
    limit: "token",
    body: {
      schema: z.strictObject({
        scope: ScopeSchema.optional(),
        expires_in: z.int().min(60).max(3600).default(1800),
      }),
      optional: true,
    },
    responses: {
      200: {
        description: "The token.",
        schema: z.object({
          access_token: z.string(),
          token_type: z.literal("Bearer"),
          expires_in: z.int(),
          scope: z.string(),
        }),
      },
    },
    async handle(c, { body }) {
      const { tokens } = c.get("services");
      const issued = await exchangeKey(tokens, workspaceOf(c), body.scope ?? null, body.expires_in);
      return c.json({
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: issued.expiresInSeconds,
        scope: issued.scopes.join(" "),
      });
    },
  }),
  defineRoute({
    method: "get",
    path: "/v1/auth/whoami",
    summary: "Whose credential this is, and what it may do",
    tag,
    access: "any",
    limit: "poll",
    responses: {
      200: {
        description: "The credential as it is in force. The root key belongs to no workspace.",
        schema: z.object({
          workspace: z.object({ id: z.string(), name: z.string() }).nullable(),
          key_id: z.string(),
          kind: z.enum(["api_key", "jwt", "root"]),
          scopes: z.array(z.enum(SCOPES)),
          expires_at: z.iso.datetime().nullable(),
          limits: z.record(z.string(), z.object({ requests: z.int(), window_seconds: z.int() })),
        }),
      },
    },
    async handle(c) {
      const principal = principalOf(c);
      const services = c.get("services");
      const id = principal.kind === "root" ? null : principal.workspaceId;
      return c.json({
        workspace: id && { id, name: await workspaceName(services, id) },
        key_id: principal.keyId,
        kind: principal.kind,
        scopes: principal.scopes,
        expires_at: timeView(principal.expiresAtMs),
        limits: effectiveLimits(services.policies, principal.limits),
      });
    },
  }),
];
