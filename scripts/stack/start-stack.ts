import { parseConfig } from "../../src/config.ts";
import type { Child, Launch, Server } from "./child.ts";
import { startChroma } from "./chroma.ts";
import { LOCAL_EMBEDDING_SETTINGS, startEmbedder } from "./embedder.ts";
import { StackFailure } from "./failure.ts";
import { takeLock } from "./lock.ts";
import { migrate } from "./migrations.ts";
import { givenSettings, type WorkerSettings } from "./settings.ts";
import { localSecrets, openState, type State } from "./state.ts";
import { startWorker } from "./worker.ts";
import { bundledWorker } from "./worker-bundle.ts";
import { ensureWorkspace } from "./workspace.ts";

const RATE_LIMIT_MULTIPLIER = "100";
const OPENAI_URL = "https://api.openai.com/v1";

export interface StackOptions {
  /** Where the state lives; `DEVFLOW_STATE`, else `.devflow`, where left out. */
  stateFolder?: string;
  host?: string;
  /** Wanted port: a taken one gives way to the next free one. 0: any. */
  port?: number;
  /** Settings of the Worker, over those in the environment. */
  settings?: WorkerSettings;
  https?: boolean;
  /** Rebuilds the Worker when its sources change; what waits in its queues is then lost until the next cron run. */
  watch?: boolean;
  /** Where V8's inspector of the Worker listens, on loopback; nowhere where left out. For measurements. */
  inspectorPort?: number;
  /** Copies the logs of all processes to this one's output. */
  verbose?: boolean;
  /** Called as each part comes up. */
  onProgress?: (part: string) => void;
  /** Called with errors that the Worker logs. */
  onError?: (sentence: string) => void;
  /** Ends what has been started so far; the start then fails. */
  signal?: AbortSignal;
}

export interface Stack {
  url: string;
  chromaUrl: string;
  embeddingsUrl: string;
  /** What embeds: the local server, or OpenAI (or what `OPENAI_BASE_URL` names). */
  embeddings: "local" | "openai";
  rateLimitMultiplier: number;
  rootKey: string;
  /** Empty, as the key is, where RESTORE_ENABLED waits for a backup. */
  workspaceId: string;
  apiKey: string;
  state: State;
  /** Resolves with a sentence when a process ends that should not have. */
  failed: Promise<string>;
  /** Ends every process. May be called again. */
  stop(): Promise<void>;
}

/**
 * Brings up Chroma, the embedding server and the Worker with D1, R2, queues and Durable Objects, side by side, and
 * makes a workspace with a key where there is none. Errors: `StackFailure`; nothing is left running then.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const state = openState(options.stateFolder);
  const lock = takeLock(state);
  const processes = new StackProcesses((group) => lock.remember(group));
  const stop = async () => {
    await processes.stop();
    lock.release();
  };
  options.signal?.addEventListener("abort", () => void processes.stop(), { once: true });
  try {
    if (options.signal?.aborted) await processes.stop();
    const launch: Launch = {
      state,
      verbose: options.verbose ?? false,
      register: (child) => processes.add(child),
      ...(options.onError ? { onError: options.onError } : {}),
    };
    const up = await bringUp(launch, options);
    return { ...up, failed: processes.unlessStopped(up.failed), state, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function bringUp(launch: Launch, options: StackOptions): Promise<Omit<Stack, "state" | "stop">> {
  const { state } = launch;
  const progress = options.onProgress ?? (() => {});
  const given = { ...givenSettings(), ...options.settings };
  const local = given["OPENAI_API_KEY"] === undefined && given["OPENAI_BASE_URL"] === undefined;
  const own = {
    ENVIRONMENT: "development",
    RATE_LIMIT_MULTIPLIER,
    ...localSecrets(state),
    ...(local ? LOCAL_EMBEDDING_SETTINGS : {}),
    ...given,
  };
  refuseProblems(own);
  const { https = false, watch = false } = options;
  const bundling = https || watch ? Promise.resolve(null) : bundledWorker(launch);
  // Awaited below, beside what else the Worker waits for.
  bundling.catch(() => {});
  const [chroma, embedder] = await Promise.all([
    given["CHROMA_URL"] === undefined ? startChroma(launch) : elsewhere(given["CHROMA_URL"]),
    local ? startEmbedder(launch) : elsewhere(given["OPENAI_BASE_URL"] ?? OPENAI_URL),
  ]);
  const settings = {
    ...own,
    ...(local ? { OPENAI_BASE_URL: embedder.url } : {}),
    CHROMA_URL: chroma.url,
  };
  const database = migrate(launch);
  const upstreams = Promise.all([chroma.ready, embedder.ready, database]).then(() =>
    progress("Chroma, embeddings and database are up"),
  );
  // Awaited below, with the Worker, which needs only the database to start.
  upstreams.catch(() => {});
  await Promise.race([database, upstreams]);

  const starting = startWorker(launch, {
    bundle: await bundling,
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 8000,
    settings,
    https,
    watch,
    inspectorPort: options.inspectorPort ?? null,
  });
  const [worker] = await Promise.all([starting, upstreams]);
  progress("the Worker is up");

  // A backup is restored into an empty deployment: a workspace of ours would be in its way.
  const restoring = ["true", "1"].includes(given["RESTORE_ENABLED"] ?? "");
  const workspace = restoring
    ? { workspaceId: "", apiKey: "" }
    : await ensureWorkspace(state, worker.url, settings.ROOT_API_KEY);
  state.writeJson("local.json", {
    url: worker.url,
    root_key: settings.ROOT_API_KEY,
    workspace_id: workspace.workspaceId,
    api_key: workspace.apiKey,
    chroma_url: chroma.url,
    embeddings_url: embedder.url,
  });
  return {
    url: worker.url,
    chromaUrl: chroma.url,
    embeddingsUrl: embedder.url,
    embeddings: local ? "local" : "openai",
    rateLimitMultiplier: Number(settings.RATE_LIMIT_MULTIPLIER),
    rootKey: settings.ROOT_API_KEY,
    ...workspace,
    failed: firstToEnd([chroma.child, embedder.child, worker.child]),
  };
}

/** Before anything is waited for, and in the words of the Worker, which would refuse them too. */
function refuseProblems(settings: WorkerSettings): void {
  const parsed = parseConfig(settings);
  if (parsed.ok) return;
  const problems = parsed.problems.map(({ setting, reason }) => `${setting} ${reason}.`).join(" ");
  throw new StackFailure(`${problems} Settings come from the environment, .dev.vars and .env.`);
}

/** What has been started; after `stop`, whatever is still added is stopped at once. */
class StackProcesses {
  readonly #children: Child[] = [];
  readonly #remember: (group: number) => void;
  #stopping = false;

  constructor(remember: (group: number) => void) {
    this.#remember = remember;
  }

  add(child: Child): void {
    this.#children.push(child);
    if (this.#stopping) void child.stop();
    else void child.group.then((group) => group !== null && this.#remember(group));
  }

  /** The sentence, but where `stop` was called before it came. */
  async unlessStopped(sentence: Promise<string>): Promise<string> {
    const told = await sentence;
    return this.#stopping ? new Promise<never>(() => {}) : told;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (let stopped = 0; stopped < this.#children.length; ) {
      const running = this.#children.slice(stopped);
      await Promise.all(running.map((child) => child.stop()));
      stopped += running.length;
    }
  }
}

/** A server that somebody else runs. */
function elsewhere(url: string): Omit<Server, "child"> & { child: null } {
  return { url, child: null, ready: Promise.resolve() };
}

async function firstToEnd(children: readonly (Child | null)[]): Promise<string> {
  return Promise.race(
    children.map(async (child) => {
      if (child === null) return new Promise<never>(() => {});
      const code = await child.ended;
      return `${child.name} ended unexpectedly (exit code ${code}). Its log is ${child.logFile}.`;
    }),
  );
}
