import { z } from "@hono/zod-openapi";
import { ATTESTATION_NAMES, attest } from "../../audit/attest.ts";
import { checklist } from "../../audit/checklist.ts";
import { measureFacts } from "../../audit/measured-facts.ts";
import { weakness } from "../../config.ts";
import type { PolicyName } from "../../core/policy-names.ts";
import { Secret } from "../../core/secret.ts";
import { POLICY_DEFAULTS } from "../../limits/policy.ts";
import type { AppContext } from "../context.ts";
import { defineRoute, type Route } from "../route.ts";

const ItemSchema = z.object({
  id: z.string(),
  title: z.string(),
  status: z.enum(["pass", "warn", "fail", "unknown"]),
  detail: z.string(),
});

/** @param routes all that the Worker serves, once they are all known: some items are computed from them. */
export function checklistRoutes(routes: () => readonly Route[]): Route[] {
  return [
    defineRoute({
      method: "get",
      path: "/v1/checklist",
      summary: "The production checklist",
      description: "Each item is computed from the live settings and state; nothing in it is a constant.",
      tag: "Operations",
      access: "root",
      limit: "default",
      responses: { 200: { description: "The items.", schema: z.object({ items: z.array(ItemSchema) }) } },
      async handle(c) {
        const measured = await measureFacts(c.get("services"), rotatedSecrets(c));
        return c.json({ items: checklist({ ...configuredFacts(c, routes()), ...measured }) });
      },
    }),
    defineRoute({
      method: "post",
      path: "/v1/attestations",
      summary: "Attest an item of the checklist that only a person can know",
      description: "It holds for 180 days from now.",
      tag: "Operations",
      access: "root",
      limit: "default",
      body: {
        schema: z.strictObject({
          name: z.enum(ATTESTATION_NAMES),
          detail: z.string().trim().min(1).max(500).optional(),
        }),
      },
      responses: {
        201: {
          description: "Recorded.",
          schema: z.object({ name: z.string(), at: z.iso.datetime(), detail: z.string().nullable() }),
        },
      },
      async handle(c, { body }) {
        const { name, atMs, detail } = await attest(c.get("services"), {
          name: body.name,
          detail: body.detail ?? null,
          ip: c.get("ip"),
          requestId: c.get("requestId"),
        });
        return c.json({ name, at: new Date(atMs).toISOString(), detail }, 201);
      },
    }),
  ];
}

/** Every secret that is set and has an age; the previous JWT secret is only there to be removed. */
function rotatedSecrets(c: AppContext): Record<string, Secret> {
  const set = Object.entries(c.get("config")).filter(
    (entry): entry is [string, Secret] => entry[1] instanceof Secret && entry[0] !== "JWT_SECRET_PREVIOUS",
  );
  return Object.fromEntries(set);
}

function configuredFacts(c: AppContext, routes: readonly Route[]) {
  const config = c.get("config");
  const { policies } = c.get("services");
  const url = new URL(c.req.url);
  const { ROOT_API_KEY, JWT_SECRET } = config;
  const secrets = Object.entries({ ROOT_API_KEY, JWT_SECRET }).map(
    ([name, value]) => [name, weakness(value.reveal())] as const,
  );
  const quotas = (Object.keys(policies) as PolicyName[]).map(
    (name) =>
      [name, { requests: policies[name].requests, standard: POLICY_DEFAULTS[name].requests }] as const,
  );
  return {
    environment: config.ENVIRONMENT,
    debug: config.DEBUG,
    logLevel: config.LOG_LEVEL,
    hosts: config.PUBLIC_HOSTS,
    origins: config.ALLOWED_ORIGINS,
    requestScheme: url.protocol.replace(":", ""),
    requestHost: url.host,
    secrets: Object.fromEntries(secrets),
    previousJwtSecret: config.JWT_SECRET_PREVIOUS !== undefined,
    quotas: Object.fromEntries(quotas) as Record<PolicyName, { requests: number; standard: number }>,
    routes: routes.map(({ method, path, access, limit, strict }) => ({
      route: `${method.toUpperCase()} ${path}`,
      access,
      limit,
      strict,
    })),
    alerts: config.ALERT_WEBHOOK_URL !== undefined,
  };
}
