import { z } from "zod";
import { isPublicHttps } from "./public-url.ts";

/** Signatures that another issuer's tokens may have: public keys only, so that none mixes with our own secrets. */
export const ISSUER_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"] as const;

const https = z.string().max(500).refine(isPublicHttps);
/** What another issuer may give: never `admin`. */
const grantable = z.enum(["search", "index", "ask"]);

/**
 * Another issuer whose tokens are taken, such as a company's identity provider. A token names its workspace by a
 * claim, which counts only where the list `workspaces` has it; its scopes are translated by the map `scopes`.
 */
export const IssuerSchema = z.strictObject({
  issuer: https,
  audience: z.string().min(1).max(500),
  jwks_url: https,
  workspace_claim: z.string().min(1).max(200),
  workspaces: z
    .array(z.string().regex(/^ws_[0-9a-z]+$/))
    .min(1)
    .max(1000),
  scope_claim: z.string().min(1).max(200).default("scope"),
  scopes: z.record(z.string().min(1).max(200), z.array(grantable).min(1)),
  algorithms: z.array(z.enum(ISSUER_ALGORITHMS)).min(1).default(["RS256", "ES256"]),
});

export type Issuer = z.output<typeof IssuerSchema>;

/** Each issuer once: its name selects the keys. */
export const IssuersSchema = z
  .array(IssuerSchema)
  .max(20)
  .refine((issuers) => new Set(issuers.map(({ issuer }) => issuer)).size === issuers.length);
