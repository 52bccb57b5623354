import { sendAlert } from "./audit/alert.ts";
import { createSecurityEvents, WaitingEvents } from "./audit/event.ts";
import { NETWORK_NOTED_MS } from "./audit/networks.ts";
import { READINESS_KEPT_MS, type Readiness } from "./audit/readiness.ts";
import { noteSpend, watchedEmbedder } from "./audit/spend.ts";
import { createUsage, USAGE_GATHER_MS, type UsageDeps, WaitingUsage } from "./audit/usage.ts";
import type { Prices } from "./audit/usage-report.ts";
import type { AuthenticateDeps } from "./auth/authenticate.ts";
import { type FetchJwks, JwksCache } from "./auth/jwks.ts";
import { KeyCache } from "./auth/key-cache.ts";
import { readToken } from "./auth/read-token.ts";
import { issuerOf, type MintDeps } from "./auth/token.ts";
import { TokenCache } from "./auth/token-cache.ts";
import { TokenKeys } from "./auth/token-keys.ts";
import { WORKSPACE_NAME_SECONDS } from "./auth/workspaces.ts";
import { ChromaVectorStore } from "./clients/chroma-vector-store.ts";
import { isOpenAi, OpenAiChat } from "./clients/openai-chat.ts";
import { OpenAiEmbedder } from "./clients/openai-embedder.ts";
import { DEFAULT_RETRY } from "./clients/retry.ts";
import { upstreamFetch } from "./clients/upstream-fetch.ts";
import type { Config } from "./config.ts";
import type { Budget } from "./core/budget.ts";
import { Cursors } from "./core/cursor.ts";
import { type EmbeddingIdentity, sameEmbedding } from "./core/embedding-identity.ts";
import { DevFlowError } from "./core/errors.ts";
import { Lane } from "./core/lane.ts";
import type { Limiters } from "./core/limiter.ts";
import { consoleSink, type Logger } from "./core/log.ts";
import { Lru } from "./core/lru.ts";
import { sendable } from "./core/messages.ts";
import type {
  ChatModel,
  Embedder,
  EmbedderFor,
  MessageQueue,
  VectorStore,
  WorkspaceIndex,
} from "./core/ports.ts";
import { Secret } from "./core/secret.ts";
import type { SecurityEvent, SecurityEvents } from "./core/security-event.ts";
import type { UsageRecorder } from "./core/usage.ts";
import { type Database, openDatabase } from "./db/database.ts";
import { bundledModule } from "./indexing/syntax/grammar-modules.ts";
import { SyntaxParsers } from "./indexing/syntax/parsers.ts";
import { budgetedChat } from "./limits/budgeted-chat.ts";
import { budgetedEmbedder } from "./limits/budgeted-embedder.ts";
import { LimitGate } from "./limits/gate.ts";
import { type PolicyTable, policyTable } from "./limits/policy.ts";
import { SearchMemory } from "./search/search-memory.ts";

/** Everything that use cases ask for. Each declares the part that it needs. */
export interface Services {
  db: Database;
  blobs: R2Bucket;
  queue: MessageQueue;
  embedder: Embedder;
  /** The model that is being left for the embedder's. */
  previousEmbedding: EmbeddingIdentity | null;
  /** The embedder as a workspace may use it: paid from its month's tokens, or without bound where none is set. */
  embedderFor: EmbedderFor;
  /**
   * The chat model as a workspace may use it: paid from its month's tokens, or by the caller's own key, which costs the
   * workspace nothing. Null where none is configured. Errors: `invalid_request` for a key that may not be sent there.
   */
  chatFor(
    workspaceId: string,
    monthlyTokens: number | null,
    callersKey: Secret | null,
    keyId?: string | null,
  ): ChatModel | null;
  /** Tokens of prompt and answer together that the chat model takes. */
  chatContextTokens: number;
  /** The object that counts a workspace's tokens. */
  budgetOf(workspaceId: string): Budget;
  /** Tokens of one input that the embedding model reads. */
  embeddingMaxTokens: number;
  /** Micro-dollars for a million tokens of the embedding model. */
  embeddingPriceMicrousd: number;
  prices: Prices;
  /** Cuts files by their syntax. */
  syntax: SyntaxParsers;
  cutting: Lane;
  vectors: VectorStore;
  /** Calls of consumers to the vector store at once, for each workspace. */
  vectorCalls: number;
  /** The object that holds what is indexed of a workspace. */
  workspaceIndex(workspaceId: string): WorkspaceIndex;
  /** The object that counts a subject's requests and knows its keys. */
  limiters: Limiters;
  authentication: AuthenticateDeps;
  tokens: MintDeps;
  log: Logger;
  /** What this isolate remembers of limiters. */
  gate: LimitGate;
  policies: PolicyTable;
  /** Asks the embedding server whether it is there; costs nothing. */
  embedderProbe: (() => Promise<void>) | null;
  chatProbe: (() => Promise<boolean>) | null;
  readiness: Lru<Readiness>;
  workspaceNames: Lru<string>;
  /** Networks that this isolate noted of keys. */
  networks: Lru<true>;
  events: SecurityEvents;
  /** The ledger of tokens, requests and bytes. */
  usage: UsageRecorder;
  /** Signs where lists go on. */
  cursors: Cursors;
  /** What this isolate remembers for searches. */
  searchMemory: SearchMemory;
  /** age public keys that backups are encrypted to. */
  backupRecipients: readonly string[];
  backupPartBytes: number;
  /** Of so many backups one is whole; the others refer to it. */
  backupWholeEvery: number;
  backupRetention: { days: number; count: number };
  /** Settings as they are put into a backup: no secret, and no address that may hold one. */
  openSettings: Record<string, unknown>;
  /** Whether a backup may be restored into this deployment. */
  restoreEnabled: boolean;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Work that may outlive the answer. */
  background(work: Promise<unknown>): void;
}

/**
 * What one isolate remembers between requests: bounded, and never trusted alone. Made once, beside the application,
 * so that no module keeps state.
 */
export interface Isolate {
  keys: KeyCache;
  tokenKeys: TokenKeys;
  verifiedTokens: TokenCache;
  /** Names of workspaces, as they were some seconds ago at most. */
  workspaceNames: Lru<string>;
  /** Public keys of other issuers. */
  jwks: JwksCache;
  gate: LimitGate;
  /** Grammars that files have been read by. */
  syntax: SyntaxParsers;
  waitingEvents: WaitingEvents;
  waitingUsage: WaitingUsage;
  policies: PolicyTable;
  readiness: Lru<Readiness>;
  networks: Lru<true>;
  searchMemory: SearchMemory;
}

/** Chroma Cloud takes ten at once; two are left for deletions, which hold no lease. */
const CLOUD_WRITES = 8;
/** Some 1 MB each. */
const MAX_NETWORKS = 10_000;
const MAX_NAMES = 5000;

/**
 * @param fetchJwks how the keys of other issuers are fetched.
 * @param usageGatherMs how long usage waits for more of it before it is written.
 */
export function createIsolate(
  config: Config,
  fetchJwks: FetchJwks = (url, init) => fetch(url, init),
  usageGatherMs: number = USAGE_GATHER_MS,
): Isolate {
  return {
    keys: new KeyCache(),
    tokenKeys: new TokenKeys(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS ?? null),
    verifiedTokens: new TokenCache(),
    workspaceNames: new Lru(MAX_NAMES, WORKSPACE_NAME_SECONDS * 1000),
    jwks: new JwksCache(fetchJwks),
    gate: new LimitGate(),
    syntax: new SyntaxParsers(bundledModule),
    waitingEvents: new WaitingEvents(),
    waitingUsage: new WaitingUsage(usageGatherMs),
    policies: policyTable(config),
    readiness: new Lru(1, READINESS_KEPT_MS),
    networks: new Lru(MAX_NETWORKS, NETWORK_NOTED_MS),
    searchMemory: new SearchMemory(),
  };
}

/** The only place that constructs clients. One for each request, message batch or cron run: nothing here does I/O. */
export function createServices(
  env: Env,
  config: Config,
  log: Logger,
  background: (work: Promise<unknown>) => void,
  isolate: Isolate = createIsolate(config),
): Services {
  const db = lazy(() => openDatabase(env.DB));
  const now = Date.now;
  const tokens: MintDeps = { tokenKeys: isolate.tokenKeys, issuer: issuerOf(config.ENVIRONMENT), now };
  const events = lazy(() =>
    createSecurityEvents({
      db: db(),
      log,
      waiting: isolate.waitingEvents,
      line: consoleSink,
      alert: alertSender(config),
      now,
      background,
    }),
  );
  const configured = { model: config.EMBEDDING_MODEL, dimensions: config.EMBEDDING_DIMENSIONS };
  const previousEmbedding = previousEmbeddingOf(config);
  const embedder = lazy(() => openAiEmbedder(config, configured, { unanswered: true }));
  const budgetOf = (workspaceId: string): Budget => env.BUDGET.get(env.BUDGET.idFromName(workspaceId));
  const vectors = lazy(() => chromaVectorStore(config));
  const limiters: Limiters = (subject) => env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName(subject));
  const usage = createUsage({
    get db() {
      return db();
    },
    waiting: isolate.waitingUsage,
    analytics: (env as { ANALYTICS?: UsageDeps["analytics"] }).ANALYTICS ?? null,
    log,
    now,
    background,
  });
  const spend = {
    limiters,
    usage,
    get events() {
      return events();
    },
    log,
    background,
    thresholdTokens: config.SUSPICIOUS_TOKENS,
  };
  return {
    get db() {
      return db();
    },
    blobs: env.BLOBS,
    queue: indexingQueue({ small: env.INDEXING, bulk: env.INDEXING_BULK }),
    previousEmbedding,
    embedderFor(workspaceId, monthlyTokens, keyId = null, identity = configured) {
      const watched = (one: Embedder) => watchedEmbedder(spend, workspaceId, keyId, one);
      if (monthlyTokens === null) {
        const own = sameEmbedding(identity, configured);
        return watched(own ? embedder() : openAiEmbedder(config, identity, { unanswered: true }));
      }
      // An attempt that nobody answered may have been charged: the budget pays for each by itself.
      return budgetedEmbedder(watched(openAiEmbedder(config, identity, { unanswered: false })), {
        budget: budgetOf(workspaceId),
        monthlyTokens,
        maxTokens: config.EMBEDDING_MAX_TOKENS,
        onWarning: () => events().record({ type: "budget_warning", workspaceId }),
      });
    },
    chatFor(workspaceId, monthlyTokens, callersKey, keyId = null) {
      const chat = openAiChat(config, callersKey);
      if (chat === null) return null;
      if (callersKey !== null) return budgetedChat(chat, { limit: null, background });
      const onWarning = () => events().record({ type: "budget_warning", workspaceId });
      return budgetedChat(chat, {
        limit: monthlyTokens === null ? null : { budget: budgetOf(workspaceId), monthlyTokens, onWarning },
        onSpent({ inputTokens, outputTokens }) {
          usage.add(workspaceId, keyId, { chatInputTokens: inputTokens, chatOutputTokens: outputTokens });
          const noting = noteSpend(spend, workspaceId, inputTokens + outputTokens);
          background(noting.catch((cause) => log.error("tokens are not counted", cause)));
        },
        background,
      });
    },
    chatContextTokens: config.CHAT_CONTEXT_TOKENS,
    budgetOf,
    get embedder() {
      return embedder();
    },
    embeddingMaxTokens: config.EMBEDDING_MAX_TOKENS,
    embeddingPriceMicrousd: config.EMBEDDING_PRICE_MICROUSD,
    prices: {
      embedding: config.EMBEDDING_PRICE_MICROUSD,
      chatInput: config.CHAT_INPUT_PRICE_MICROUSD,
      chatOutput: config.CHAT_OUTPUT_PRICE_MICROUSD,
    },
    usage,
    syntax: isolate.syntax,
    cutting: new Lane(),
    get vectors() {
      return vectors();
    },
    vectorCalls: config.CHROMA_WRITES ?? (config.CHROMA_URL === undefined ? CLOUD_WRITES : 1),
    // The class implements the port; the stub's own type wraps each result for RPC.
    workspaceIndex: (workspaceId) =>
      env.WORKSPACE_INDEX.get(env.WORKSPACE_INDEX.idFromName(workspaceId)) as unknown as WorkspaceIndex,
    limiters,
    authentication: {
      get db() {
        return db();
      },
      rootKey: config.ROOT_API_KEY,
      keys: isolate.keys,
      readToken: (token) =>
        isolate.verifiedTokens.read(token, () => {
          const external = { db: db(), issuers: config.JWT_ISSUERS, jwks: isolate.jwks, log, now };
          return readToken({ own: tokens, external }, token);
        }),
      now,
      background,
    },
    tokens,
    gate: isolate.gate,
    policies: isolate.policies,
    embedderProbe: embedderProbe(config),
    chatProbe: chatProbe(config),
    readiness: isolate.readiness,
    workspaceNames: isolate.workspaceNames,
    networks: isolate.networks,
    cursors: new Cursors(config.JWT_SECRET),
    searchMemory: isolate.searchMemory,
    backupRecipients: config.BACKUP_RECIPIENTS,
    backupPartBytes: config.BACKUP_PART_BYTES,
    backupWholeEvery: config.BACKUP_WHOLE_EVERY,
    backupRetention: { days: config.BACKUP_RETENTION_DAYS, count: config.BACKUP_RETENTION_COUNT },
    get openSettings() {
      return openSettings(config);
    },
    restoreEnabled: config.RESTORE_ENABLED,
    get events() {
      return events();
    },
    log,
    now,
    background,
  };
}

/** Addresses may hold a credential, as those of webhooks do. */
function openSettings(config: Config): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).filter(([name, value]) => !(value instanceof Secret) && !name.endsWith("_URL")),
  );
}

/** Made when first asked for: most requests need few of all. */
function lazy<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function previousEmbeddingOf(config: Config): EmbeddingIdentity | null {
  const { EMBEDDING_MODEL_PREVIOUS: model, EMBEDDING_DIMENSIONS_PREVIOUS: dimensions } = config;
  return model === undefined ? null : { model, dimensions };
}

function openAiEmbedder(
  config: Config,
  { model, dimensions }: EmbeddingIdentity,
  repeats: { unanswered: boolean },
): Embedder {
  return new OpenAiEmbedder({
    // Servers of one's own may go without a key; OpenAI then answers 401.
    apiKey: config.OPENAI_API_KEY ?? new Secret("none"),
    baseUrl: config.OPENAI_BASE_URL,
    model,
    dimensions,
    maxTokens: config.EMBEDDING_MAX_TOKENS,
    fetch: patientFetch(config, repeats),
  });
}

/** Null where no model is configured. @param callersKey takes the place of the deployment's. */
function openAiChat(config: Config, callersKey: Secret | null): ChatModel | null {
  const { OPENAI_CHAT_MODEL: model } = config;
  const baseUrl = config.OPENAI_CHAT_BASE_URL ?? config.OPENAI_BASE_URL;
  if (callersKey !== null && !isOpenAi(baseUrl) && !config.ALLOW_CALLER_KEYS) {
    throw new DevFlowError(
      "invalid_request",
      "/header/X-OpenAI-Key: This deployment answers by a server of its own, to which no caller's key is sent.",
      { errors: [{ pointer: "/header/X-OpenAI-Key", message: "Not taken by this deployment." }] },
    );
  }
  if (model === undefined) return null;
  return new OpenAiChat({
    apiKey: callersKey ?? chatKey(config, baseUrl) ?? new Secret("none"),
    callersKey: callersKey !== null,
    baseUrl,
    model,
    silenceMs: config.CHAT_TIMEOUT_MS,
    fetch: upstreamFetch({
      timeoutMs: null,
      streamed: true,
      retry: { ...DEFAULT_RETRY, unanswered: false, retries: config.UPSTREAM_RETRIES },
    }),
  });
}

/** The deployment's own key for the chat server: that of the embeddings goes to their server alone. */
function chatKey(config: Config, baseUrl: string): Secret | undefined {
  const sameServer = new URL(baseUrl).origin === new URL(config.OPENAI_BASE_URL).origin;
  return config.OPENAI_CHAT_API_KEY ?? (sameServer ? config.OPENAI_API_KEY : undefined);
}

function chromaVectorStore(config: Config): VectorStore {
  return new ChromaVectorStore({
    url: config.CHROMA_URL ?? "https://api.trychroma.com",
    apiKey: config.CHROMA_API_KEY ?? null,
    tenant: config.CHROMA_TENANT,
    database: config.CHROMA_DATABASE,
    fetch: patientFetch(config),
  });
}

function patientFetch(config: Config, repeats = { unanswered: true }): typeof fetch {
  return upstreamFetch({
    timeoutMs: config.UPSTREAM_TIMEOUT_MS,
    retry: { ...DEFAULT_RETRY, ...repeats, retries: config.UPSTREAM_RETRIES },
  });
}

/** `sendBatch` takes 100 messages and 256 KB at a time. */
function indexingQueue(queues: { small: Queue; bulk: Queue }): MessageQueue {
  return {
    async send(messages, delaySeconds = 0) {
      for (const [queue, bulk] of [
        [queues.small, false],
        [queues.bulk, true],
      ] as const) {
        for (const batch of sendable(messages.filter((message) => (message.bulk ?? false) === bulk))) {
          await queue.sendBatch(
            batch.map((body) => ({ body, contentType: "json" })),
            { delaySeconds },
          );
        }
      }
    },
  };
}

function embedderProbe(config: Config): (() => Promise<void>) | null {
  const key = config.OPENAI_API_KEY;
  if (key === undefined) return null;
  return async () => {
    const status = await statusOfModels(config.OPENAI_BASE_URL, key);
    if (status >= 300) throw new Error(`the embedding server answered ${status}`);
  };
}

/** False where the chat server keeps no list of models: that it answers tells nothing of the key. */
function chatProbe(config: Config): (() => Promise<boolean>) | null {
  if (config.OPENAI_CHAT_MODEL === undefined) return null;
  const baseUrl = config.OPENAI_CHAT_BASE_URL ?? config.OPENAI_BASE_URL;
  return async () => {
    const status = await statusOfModels(baseUrl, chatKey(config, baseUrl));
    if (status === 404 || status === 405) return false;
    if (status >= 300) throw new Error(`the chat server answered ${status}`);
    return true;
  };
}

/** The list of models: free, and refused where the key is not good. */
async function statusOfModels(baseUrl: string, key: Secret | undefined): Promise<number> {
  const response = await fetch(`${baseUrl.replace(/\/+$/, "")}/models`, {
    ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key.reveal()}` } }),
    redirect: "manual",
    signal: AbortSignal.timeout(3000),
  });
  await response.body?.cancel();
  return response.status;
}

function alertSender(config: Config): ((event: SecurityEvent) => Promise<void>) | null {
  const { ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secret } = config;
  if (url === undefined || secret === undefined) return null;
  const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const deps = {
    url,
    secret,
    fetch: (to: string, init: RequestInit) => fetch(to, init),
    now: Date.now,
    sleep,
  };
  return (event) => sendAlert({ ...deps, random: Math.random }, event);
}
