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
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const seconds = (fallback: number, max: number) => whole(1, max).default(fallback);
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

/** Each with what docs/configuration.md says of it: `form` where the schema does not tell, and `description`. */
export const settings = z.object({
  ENVIRONMENT: z
    .enum(["development", "staging", "production"])
    .meta({ description: "set by `wrangler.toml`; `npm start` is always `development`" }),
  LOG_LEVEL: z.string().toLowerCase().pipe(z.enum(LOG_LEVELS)).optional().meta({
    default: "`debug` (deployed: `warning`)",
    description: "log lines below it are dropped; security events are printed at every level",
  }),
  DEBUG: flag.meta({
    description:
      "logs the causes of refusals at level debug, which may quote what was sent; refused in staging and production",
  }),

  ROOT_API_KEY: secret.optional().meta({
    form: "secret, needed",
    description: "administers workspaces and the deployment; reads no workspace's data",
  }),
  JWT_SECRET: secret
    .optional()
    .meta({ form: "secret, needed", description: "signs tokens (HS256) and the cursors of lists" }),
  JWT_SECRET_PREVIOUS: secret.optional().meta({
    form: "secret",
    description: "verifies tokens from before the last rotation, and signs nothing; delete it an hour after",
  }),
  JWT_ISSUERS: z.string().default("[]").transform(parseJson).pipe(IssuersSchema).meta({
    form: "JSON list",
    description: "other issuers whose tokens are taken; see [decision 4](decisions/0004-credentials.md)",
  }),

  CHROMA_URL: url
    .optional()
    .meta({ form: "http(s) address", description: "a Chroma server of your own; without it, Chroma Cloud" }),
  CHROMA_API_KEY: secret
    .optional()
    .meta({ form: "secret, needed without `CHROMA_URL`", description: "Chroma Cloud's key" }),
  CHROMA_WRITES: whole(1, 10).optional().meta({
    description:
      "8 where it is left out, 1 with `CHROMA_URL`: writes of one workspace at once, from all consumers. Chroma Cloud takes ten; a server of your own took three times the CPU with four at once as with one",
  }),
  CHROMA_TENANT: z
    .string()
    .min(1)
    .default("default_tenant")
    .meta({ form: "text", description: "Chroma's tenant" }),
  CHROMA_DATABASE: z
    .string()
    .min(1)
    .default("default_database")
    .meta({ form: "text", description: "Chroma's database" }),

  OPENAI_API_KEY: secret.optional().meta({
    form: "secret, needed",
    description: "the embedding provider's key; without it, `npm start` runs a model of its own",
  }),
  OPENAI_BASE_URL: url
    .default("https://api.openai.com/v1")
    .meta({ form: "http(s) address", description: "any server that speaks OpenAI's protocol" }),
  EMBEDDING_MODEL: z.string().min(1).max(100).default("text-embedding-3-small").meta({
    form: "text",
    description:
      "the model's name; to change it, see [runbook.md](runbook.md#the-embedding-model-is-to-be-changed)",
  }),
  EMBEDDING_DIMENSIONS: whole(1, 4096).default(1536).meta({ description: "length of its vectors" }),
  EMBEDDING_MODEL_PREVIOUS: z.string().min(1).max(100).optional().meta({
    form: "text",
    description:
      "the model that is being left, on the same server: workspaces are searched by it until their vectors by the new one are complete",
  }),
  EMBEDDING_DIMENSIONS_PREVIOUS: whole(1, 4096).default(1536).meta({ description: "length of its vectors" }),
  EMBEDDING_MAX_TOKENS: whole(64, 8192)
    .default(8192)
    .meta({ description: "tokens of one input that it reads; chunks are cut to fit" }),
  OPENAI_CHAT_MODEL: z.string().min(1).max(100).optional().meta({
    form: "text",
    description:
      "the model that answers questions ([answers.md](answers.md)); without it, `/v1/ask` and `/v1/explain` find sources and say 503 `ai_not_configured`",
  }),
  OPENAI_CHAT_BASE_URL: url.optional().meta({
    form: "http(s) address",
    description:
      "where it is, if not at `OPENAI_BASE_URL`: any server with OpenAI's chat completions, such as Ollama or vLLM",
  }),
  OPENAI_CHAT_API_KEY: secret.optional().meta({
    form: "secret",
    description: "its key. Without one, `OPENAI_API_KEY` is used, but only where both are at the same server",
  }),
  CHAT_TIMEOUT_MS: seconds(60_000, 600_000).meta({
    description:
      "milliseconds that the chat model may be silent, before its first word and between words; a model that thinks or loads long needs more",
  }),
  CHAT_CONTEXT_TOKENS: whole(2048, 1_000_000).default(16_384).meta({
    description:
      "tokens of prompt and answer together that it takes (Ollama: its `num_ctx`); sources are packed to fit",
  }),
  ALLOW_CALLER_KEYS: flag.meta({
    description: "lets a caller's own key (`X-OpenAI-Key`) go to a chat server other than api.openai.com",
  }),
  EMBEDDING_PRICE_MICROUSD: whole(0, 1_000_000_000).default(20_000).meta({
    description:
      "micro-dollars for a million tokens of the embedding model; what the estimate of a sync and `/v1/usage` are made with. The default is text-embedding-3-small's",
  }),
  CHAT_INPUT_PRICE_MICROUSD: whole(0, 1_000_000_000).default(150_000).meta({
    description:
      "micro-dollars for a million tokens that the chat model reads; what `/v1/usage` is made with. The default is gpt-4o-mini's",
  }),
  CHAT_OUTPUT_PRICE_MICROUSD: whole(0, 1_000_000_000)
    .default(600_000)
    .meta({ description: "… and for a million that it writes" }),
  UPSTREAM_TIMEOUT_MS: seconds(30_000, 600_000).meta({
    description: "milliseconds that one attempt at OpenAI or Chroma may take",
  }),
  UPSTREAM_RETRIES: whole(0, 10).default(3).meta({ description: "attempts after the first" }),
  SEARCH_VECTOR_TIMEOUT_MS: seconds(2_000, 60_000).meta({
    description:
      "milliseconds that a search in mode `hybrid` waits for its embedding and Chroma together, before it answers by words alone",
  }),
  SEARCH_RERANK_TIMEOUT_MS: whole(0, 60_000).default(0).meta({
    description:
      "milliseconds that a search in mode `hybrid` waits for the chat model to put its first page in order ([search.md](search.md#reranking)); 0: it is never asked. Each such search is paid for in chat tokens",
  }),

  PUBLIC_HOSTS: list.meta({
    form: "list of hosts, needed",
    description: "hosts that are answered for; others get 421. In development, none means any",
  }),
  ALLOWED_ORIGINS: list.meta({
    form: "list of origins",
    description: "origins that browsers may call from, exactly as written; the deployment's own always may",
  }),

  RATE_LIMIT_REQUESTS: whole(1, 1_000_000_000)
    .default(100)
    .meta({ description: "quota of the policy `default` …" }),
  RATE_LIMIT_WINDOW: seconds(3600, 86_400).meta({ description: "… in so many seconds" }),
  RATE_LIMITS: z.string().default("{}").transform(parseJson).pipe(policyOverrides).meta({
    form: "JSON object",
    description:
      'other policies: `{"search": {"requests": 50, "window_seconds": 3600}}`, over the defaults in `src/limits/policy.ts`',
  }),
  RATE_LIMIT_MULTIPLIER: z.coerce
    .number()
    .min(1)
    .max(1_000_000)
    .default(1)
    .meta({ description: "multiplies every quota; `npm start` sets 100" }),
  SUSPICIOUS_REQUESTS: whole(1, MAX_QUOTA).default(1000).meta({
    description:
      "more requests in an hour from one address are told as `suspicious_activity`; never multiplied",
  }),
  SUSPICIOUS_TOKENS: whole(1000, MAX_QUOTA)
    .default(5_000_000)
    .meta({ description: "more tokens in an hour of one workspace are told as `suspicious_activity`" }),

  MCP_OAUTH: flag.meta({
    description:
      "lets MCP clients in by OAuth 2.1 beside API keys ([docs/mcp.md](mcp.md)); needs a KV namespace bound as `OAUTH_KV`",
  }),

  BACKUP_RECIPIENTS: list.pipe(z.array(z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/)).max(20)).meta({
    form: "list of age public keys",
    description:
      "whom backups are encrypted to ([backup.md](backup.md)); `devflow backup keygen` makes a pair. Without one, no backup is made",
  }),
  BACKUP_PART_BYTES: whole(1024, 32 * 1024 * 1024)
    .default(16 * 1024 * 1024)
    .meta({
      description:
        "bytes of content after which a part of a backup ends: smaller parts are more messages, each of less work",
    }),
  BACKUP_WHOLE_EVERY: whole(1, 100).default(7).meta({
    description:
      "of so many backups one holds all blobs; the others refer to it, and a restore needs them too: a week of nights is at most seven files. `1`: each is whole",
  }),
  BACKUP_RETENTION_DAYS: whole(1, 30)
    .default(30)
    .meta({ description: "backups older than this are deleted" }),
  BACKUP_RETENTION_COUNT: whole(1, 1000)
    .default(14)
    .meta({ description: "backups beyond this number are deleted, the oldest first" }),
  RESTORE_ENABLED: flag.meta({
    description: "lets a backup be restored while the deployment is empty; turn it off afterwards",
  }),

  ALERT_WEBHOOK_URL: z
    .string()
    .refine(isPublicHttps)
    .optional()
    .meta({ form: "https address with a public name", description: "where alerts go" }),
  ALERT_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)
    .transform((text) => new Secret(text))
    .optional()
    .meta({
      form: "`whsec_` and base64 of 24 to 64 bytes, needed with the address",
      description: "signs alerts in the Standard Webhooks format",
    }),
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
        reason: given[String(issue.path[0])] === undefined ? "is missing" : formProblem(issue),
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

/** What the setting takes, where that is a list or a range. */
function formProblem(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value") return `takes ${issue.values.join(", ")}`;
  if (issue.code === "too_small" && issue.origin === "number") return `takes ${issue.minimum} and more`;
  if (issue.code === "too_big" && issue.origin === "number") return `takes ${issue.maximum} at most`;
  return "has a form that is not allowed: see docs/configuration.md";
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
