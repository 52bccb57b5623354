import { z } from "zod";
import { IssuersSchema } from "./core/issuer.ts";
import type { LogLevel } from "./core/log.ts";
import { POLICIES, type PolicyName } from "./core/policy-names.ts";
import { isPublicHttps } from "./core/public-url.ts";
import { Secret } from "./core/secret.ts";
import { DEVELOPMENT_SECRETS, weakness } from "./core/weak-secret.ts";

/**
 * Every setting of the Worker: variables and secrets, parsed once for each isolate.
 * In staging and production a missing, short or well-known secret is refused; the Worker then answers 503
 * with the names of the settings at fault, never their values.
 */

const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

export { DEVELOPMENT_SECRETS, weakness } from "./core/weak-secret.ts";
export type Environment = "development" | "staging" | "production";

const flag = z
  .enum(["true", "false", "1", "0", ""])
  .transform((text) => text === "true" || text === "1")
  .default(false);
const secret = z
  .string()
  .min(1)
  .transform((text) => new Secret(text));
const list = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  );
const seconds = (fallback: number, max: number) => z.coerce.number().int().min(1).max(max).default(fallback);
const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ""));

const MAX_QUOTA = 1_000_000_000;
const DAY_SECONDS = 86_400;
const policyOverrides = z.strictObject(
  Object.fromEntries(
    POLICIES.map((name) => [
      name,
      z
        .strictObject({
          requests: z.int().min(1).max(MAX_QUOTA).optional(),
          window_seconds: z.int().min(1).max(DAY_SECONDS).optional(),
        })
        .optional(),
    ]),
  ) as Record<PolicyName, z.ZodOptional<z.ZodObject<QuotaOverride>>>,
);
type QuotaOverride = { requests: z.ZodOptional<z.ZodInt>; window_seconds: z.ZodOptional<z.ZodInt> };

function parseJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "is not JSON" });
    return z.NEVER;
  }
}

const settings = z.object({
  ENVIRONMENT: z.enum(["development", "staging", "production"]),
  LOG_LEVEL: z.string().toLowerCase().pipe(z.enum(LOG_LEVELS)).optional(),
  /** Shows causes in the log at level debug; refused in production. */
  DEBUG: flag,

  ROOT_API_KEY: secret.optional(),
  JWT_SECRET: secret.optional(),
  /** The secret before the last rotation: still verifies, never signs. */
  JWT_SECRET_PREVIOUS: secret.optional(),
  /** JSON: other issuers whose tokens are taken; see `core/issuer.ts`. */
  JWT_ISSUERS: z.string().default("[]").transform(parseJson).pipe(IssuersSchema),

  /** A Chroma server of one's own, such as http://127.0.0.1:8001; or Chroma Cloud's when left out. */
  CHROMA_URL: url.optional(),
  CHROMA_API_KEY: secret.optional(),
  /**
   * Writes of one collection at once, from all consumers. Chroma Cloud takes ten; a server of one's own does the work
   * of each write again for every other that is under way.
   */
  CHROMA_WRITES: z.coerce.number().int().min(1).max(10).optional(),
  CHROMA_TENANT: z.string().min(1).default("default_tenant"),
  CHROMA_DATABASE: z.string().min(1).default("default_database"),

  OPENAI_API_KEY: secret.optional(),
  OPENAI_BASE_URL: url.default("https://api.openai.com/v1"),
  EMBEDDING_MODEL: z.string().min(1).max(100).default("text-embedding-3-small"),
  EMBEDDING_DIMENSIONS: z.coerce.number().int().min(1).max(4096).default(1536),
  /**
   * The model that is being left for `EMBEDDING_MODEL`, on the same server: workspaces are searched by it until their
   * vectors by the new one are complete.
   */
  EMBEDDING_MODEL_PREVIOUS: z.string().min(1).max(100).optional(),
  EMBEDDING_DIMENSIONS_PREVIOUS: z.coerce.number().int().min(1).max(4096).default(1536),
  /** Tokens of one input that the embedding model reads; chunks are sized to fit. */
  EMBEDDING_MAX_TOKENS: z.coerce.number().int().min(64).max(8192).default(8192),
  /** The model that answers questions; without it `/v1/ask` finds sources and says 503. */
  OPENAI_CHAT_MODEL: z.string().min(1).max(100).optional(),
  /** Where the chat model is, if not at `OPENAI_BASE_URL`. */
  OPENAI_CHAT_BASE_URL: url.optional(),
  /** Its key, if not `OPENAI_API_KEY`, which goes to no other server than its own. */
  OPENAI_CHAT_API_KEY: secret.optional(),
  /** Milliseconds that the chat model may be silent: before its first word, and between words. */
  CHAT_TIMEOUT_MS: seconds(60_000, 600_000),
  /** Tokens of prompt and answer together that the chat model takes. */
  CHAT_CONTEXT_TOKENS: z.coerce.number().int().min(2048).max(1_000_000).default(16_384),
  /** Lets a caller's own key (`X-OpenAI-Key`) go to a chat server other than api.openai.com. */
  ALLOW_CALLER_KEYS: flag,
  /** Micro-dollars for a million tokens of the chat model's input and output: what `/v1/usage` is made with. */
  CHAT_INPUT_PRICE_MICROUSD: z.coerce.number().int().min(0).max(1_000_000_000).default(150_000),
  CHAT_OUTPUT_PRICE_MICROUSD: z.coerce.number().int().min(0).max(1_000_000_000).default(600_000),
  /** Micro-dollars for a million tokens of the embedding model: what estimates of a sync are made with, too. */
  EMBEDDING_PRICE_MICROUSD: z.coerce.number().int().min(0).max(1_000_000_000).default(20_000),
  UPSTREAM_TIMEOUT_MS: seconds(30_000, 600_000),
  UPSTREAM_RETRIES: z.coerce.number().int().min(0).max(10).default(3),
  /** What a search in mode hybrid waits for its embedding and Chroma together, before it answers by words alone. */
  SEARCH_VECTOR_TIMEOUT_MS: seconds(2_000, 60_000),
  /** What a search in mode hybrid waits for the chat model to put its first page in order; 0: it is not asked. */
  SEARCH_RERANK_TIMEOUT_MS: z.coerce.number().int().min(0).max(60_000).default(0),

  /** Hosts that the deployment answers for, comma-separated; others get 421. Empty: any (development only). */
  PUBLIC_HOSTS: list,
  /** Origins that browsers may call from, comma-separated; the deployment's own is always allowed. */
  ALLOWED_ORIGINS: list,

  /** Quota of the policy `default`: requests in a window. */
  RATE_LIMIT_REQUESTS: z.coerce.number().int().min(1).max(1_000_000_000).default(100),
  RATE_LIMIT_WINDOW: seconds(3600, 86_400),
  /** JSON: policy → {requests, window_seconds}, over the table in the documentation. */
  RATE_LIMITS: z.string().default("{}").transform(parseJson).pipe(policyOverrides),
  /** Multiplies every quota: `npm start` sets 100. */
  RATE_LIMIT_MULTIPLIER: z.coerce.number().min(1).max(1_000_000).default(1),
  /** Requests an hour from one address that are reported as `suspicious_activity`; never multiplied. */
  SUSPICIOUS_REQUESTS: z.coerce.number().int().min(1).max(MAX_QUOTA).default(1000),
  /** Tokens an hour of one workspace that are reported as `suspicious_activity`. */
  SUSPICIOUS_TOKENS: z.coerce.number().int().min(1000).max(MAX_QUOTA).default(5_000_000),

  /** Lets MCP clients in by OAuth 2.1; needs a KV namespace bound as OAUTH_KV. */
  MCP_OAUTH: flag,

  /** age public keys, comma-separated, that backups are encrypted to. Without one, none is made. */
  BACKUP_RECIPIENTS: list.pipe(z.array(z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/)).max(20)),
  /** Bytes of content after which a part of a backup ends: some seconds of work, and a body that a restore can send. */
  BACKUP_PART_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .max(32 * 1024 * 1024)
    .default(16 * 1024 * 1024),
  /** Backups older than this are deleted. 30 at most: a deleted workspace is gone from all backups by then. */
  BACKUP_RETENTION_DAYS: z.coerce.number().int().min(1).max(30).default(30),
  /** More backups than this are not kept; the oldest go first. */
  BACKUP_RETENTION_COUNT: z.coerce.number().int().min(1).max(1000).default(14),
  /** Lets a backup be restored into this deployment while it is empty. */
  RESTORE_ENABLED: flag,

  /** Where alerts go, signed as in Standard Webhooks: https and a public name. */
  ALERT_WEBHOOK_URL: z.string().refine(isPublicHttps).optional(),
  /** `whsec_` + base64 of 24 to 64 bytes. */
  ALERT_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)
    .transform((text) => new Secret(text))
    .optional(),
});

/** Names of all settings; `npm start` passes those that stand in its environment on to the Worker. */
export const SETTING_NAMES: readonly string[] = Object.keys(settings.shape);

export type Settings = z.infer<typeof settings>;

export type Config = Omit<Settings, "ROOT_API_KEY" | "JWT_SECRET" | "LOG_LEVEL"> & {
  ROOT_API_KEY: Secret;
  JWT_SECRET: Secret;
  LOG_LEVEL: LogLevel;
};

/** A setting at fault and why, in words that hold no value. */
export interface SettingProblem {
  setting: string;
  reason: string;
}

export type ConfigResult = { ok: true; config: Config } | { ok: false; problems: SettingProblem[] };

/** Parses variables and secrets; unknown names (bindings, the system's) are passed over. */
export function parseConfig(env: Record<string, unknown>): ConfigResult {
  const given = Object.fromEntries(
    SETTING_NAMES.filter((name) => env[name] !== undefined && env[name] !== "").map((name) => [
      name,
      env[name],
    ]),
  );
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    return {
      ok: false,
      problems: parsed.error.issues.map((issue) => ({
        setting: String(issue.path[0] ?? "settings"),
        reason: given[String(issue.path[0])] === undefined ? "is missing" : "has a form that is not allowed",
      })),
    };
  }
  const value = parsed.data;
  const development = value.ENVIRONMENT === "development";
  const config: Config = {
    ...value,
    LOG_LEVEL: value.LOG_LEVEL ?? (development ? "debug" : "warning"),
    ROOT_API_KEY: value.ROOT_API_KEY ?? new Secret(development ? DEVELOPMENT_SECRETS.ROOT_API_KEY : ""),
    JWT_SECRET: value.JWT_SECRET ?? new Secret(development ? DEVELOPMENT_SECRETS.JWT_SECRET : ""),
  };
  const problems = development ? [] : productionProblems(config);
  if (config.ALERT_WEBHOOK_URL !== undefined && config.ALERT_WEBHOOK_SECRET === undefined) {
    problems.push({ setting: "ALERT_WEBHOOK_SECRET", reason: "is missing, while ALERT_WEBHOOK_URL is set" });
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config };
}

function productionProblems(config: Config): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const secrets = {
    ROOT_API_KEY: config.ROOT_API_KEY,
    JWT_SECRET: config.JWT_SECRET,
    ...(config.JWT_SECRET_PREVIOUS ? { JWT_SECRET_PREVIOUS: config.JWT_SECRET_PREVIOUS } : {}),
  };
  for (const [setting, value] of Object.entries(secrets)) {
    const reason = weakness(value.reveal());
    if (reason !== null) problems.push({ setting, reason });
  }
  problems.push(...equalSecrets(config));
  if (config.DEBUG) problems.push({ setting: "DEBUG", reason: "is for development only" });
  if (config.PUBLIC_HOSTS.length === 0) problems.push({ setting: "PUBLIC_HOSTS", reason: "is missing" });
  if (config.CHROMA_URL === undefined && config.CHROMA_API_KEY === undefined) {
    problems.push({ setting: "CHROMA_API_KEY", reason: "is missing, and so is CHROMA_URL" });
  }
  if (config.OPENAI_API_KEY === undefined) problems.push({ setting: "OPENAI_API_KEY", reason: "is missing" });
  return problems;
}

/**
 * Two settings with one secret: who learns one learns both. Each pair is told once, by the later name. In the midst
 * of a rotation the previous secret is still the current one, which does no harm.
 */
function equalSecrets(config: Config): SettingProblem[] {
  const secrets = Object.entries(config).filter(
    (entry): entry is [string, Secret] => entry[1] instanceof Secret && entry[1].reveal() !== "",
  );
  return secrets.flatMap(([setting, value], index) => {
    const twin = secrets.slice(0, index).find(([, other]) => other.reveal() === value.reveal());
    if (twin === undefined || isRotation(setting, twin[0])) return [];
    return [{ setting, reason: `equals ${twin[0]}` }];
  });
}

function isRotation(...pair: [string, string]): boolean {
  return pair.includes("JWT_SECRET") && pair.includes("JWT_SECRET_PREVIOUS");
}
