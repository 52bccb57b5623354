import type { Child } from "./child.ts";
import { startChroma } from "./chroma.ts";
import { LOCAL_EMBEDDING_SETTINGS, startEmbedder } from "./embedder.ts";
import { StackFailure } from "./failure.ts";
import { takeLock } from "./lock.ts";
import { type LocalSecrets, localSecrets, openState, type State } from "./state.ts";
import { givenSettings, migrate, startWorker } from "./worker.ts";

const RATE_LIMIT_MULTIPLIER = "100";

export interface StackOptions {
  /** Where the state lives; `DEVFLOW_STATE`, else `.devflow`, where left out. */
  stateFolder?: string;
  host?: string;
  /** Wanted port: a taken one gives way to the next free one. 0: any. */
  port?: number;
  /** Settings of the Worker, over those in the environment. */
  settings?: Record<string, string>;
  https?: boolean;
  /** Copies the logs of all processes to this one's output. */
  verbose?: boolean;
  /** Called as each part comes up. */
  onProgress?: (part: string) => void;
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
  workspaceId: string;
  apiKey: string;
  state: State;
  /** Resolves with a sentence when a process ends that should not have. */
  failed: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Brings up Chroma, the embedding server and the Worker with D1, R2, queues and Durable Objects, side by side, and
 * makes a workspace with a key where there is none. Errors: `StackFailure`; nothing is left running then.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const state = openState(options.stateFolder);
  const lock = takeLock(state);
  const children: Child[] = [];
  let stopping = false;
  const launch = {
    state,
    verbose: options.verbose ?? false,
    register(child: Child) {
      children.push(child);
      lock.remember(children.map(({ pid }) => pid));
    },
  };
  const stop = async () => {
    stopping = true;
    await Promise.all(children.map((child) => child.stop()));
    lock.release();
  };
  options.signal?.addEventListener("abort", () => void stop(), { once: true });
  try {
    const given = { ...givenSettings(), ...options.settings };
    const secrets = localSecrets(state);
    const local = given["OPENAI_API_KEY"] === undefined && given["OPENAI_BASE_URL"] === undefined;
    const progress = options.onProgress ?? (() => {});

    const starts = await Promise.allSettled([
      given["CHROMA_URL"] === undefined ? startChroma(launch) : { url: given["CHROMA_URL"] },
      local ? startEmbedder(launch) : { url: given["OPENAI_BASE_URL"] ?? "https://api.openai.com/v1" },
      migrate(state),
    ]);
    for (const start of starts) if (start.status === "rejected") throw start.reason;
    const [chroma, embedder] = starts as unknown as [{ value: { url: string } }, { value: { url: string } }];
    progress("Chroma, embeddings and database are up");

    const settings = {
      ENVIRONMENT: "development",
      RATE_LIMIT_MULTIPLIER,
      ...secrets,
      ...(local ? { ...LOCAL_EMBEDDING_SETTINGS, OPENAI_BASE_URL: embedder.value.url } : {}),
      CHROMA_URL: chroma.value.url,
      ...given,
    };
    const worker = await startWorker(launch, {
      host: options.host ?? "127.0.0.1",
      port: options.port ?? 8000,
      settings,
      https: options.https ?? false,
    });
    progress("the Worker is up");
    const workspace = await ensureWorkspace(state, worker.url, settings.ROOT_API_KEY);
    const stack: Stack = {
      url: worker.url,
      chromaUrl: chroma.value.url,
      embeddingsUrl: embedder.value.url,
      embeddings: local ? "local" : "openai",
      rateLimitMultiplier: Number(settings.RATE_LIMIT_MULTIPLIER),
      rootKey: settings.ROOT_API_KEY,
      ...workspace,
      state,
      failed: Promise.race(
        children.map(async (child) => {
          const code = await child.ended;
          if (stopping) return new Promise<string>(() => {});
          return `${child.name} ended unexpectedly (exit code ${code}); its log is ${child.logFile}`;
        }),
      ),
      stop,
    };
    state.writeJson("local.json", {
      url: stack.url,
      root_key: stack.rootKey,
      workspace_id: stack.workspaceId,
      api_key: stack.apiKey,
      chroma_url: stack.chromaUrl,
      embeddings_url: stack.embeddingsUrl,
    });
    return stack;
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Workspace {
  workspaceId: string;
  apiKey: string;
}

/** The workspace of earlier starts where its key still holds, else a new one with a key that has every scope. */
async function ensureWorkspace(
  state: State,
  url: string,
  rootKey: LocalSecrets["ROOT_API_KEY"],
): Promise<Workspace> {
  const known = state.readJson<Workspace>("workspace.json");
  if (known !== null) {
    const response = await fetch(`${url}/v1/stats`, { headers: { authorization: `Bearer ${known.apiKey}` } });
    await response.body?.cancel();
    if (response.status !== 401) return known;
  }
  const response = await fetch(`${url}/v1/workspaces`, {
    method: "POST",
    headers: { authorization: `Bearer ${rootKey}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "local" }),
  });
  if (response.status !== 201) {
    throw new StackFailure(`The workspace could not be made: ${response.status} ${await response.text()}`);
  }
  const { id, key } = (await response.json()) as { id: string; key: { key: string } };
  const workspace = { workspaceId: id, apiKey: key.key };
  state.writeJson("workspace.json", workspace);
  return workspace;
}
