import { ChromaClient, type Collection } from "chromadb";
import { Client } from "./client.ts";
import { percentile, type Row } from "./figures.ts";

export interface SearchTarget {
  url: string;
  apiKey: string;
  chromaUrl: string;
  embeddingsUrl: string;
}

const RESULTS = 10;
const WARM_UP = 10;

/**
 * Search over HTTP against the least that a search by meaning must do: embed the query, ask Chroma.
 * All take turns, query by query, and none repeats a text, so caches serve nobody.
 * @param relay address of the Worker that hands on just these two requests: what the local runtime adds to them.
 */
export async function measureSearch(
  target: SearchTarget,
  relay: string,
  queries: readonly string[],
  what = `${queries.length - WARM_UP} queries`,
): Promise<{ rows: Row[]; lexicalMs: number[] }> {
  const client = new Client(target.url, target.apiKey);
  const { hostname, port } = new URL(target.chromaUrl);
  const chroma = new ChromaClient({ host: hostname, port: Number(port), ssl: false });
  const [collection] = await chroma.listCollections();
  if (collection === undefined) throw new Error("nothing is indexed");
  const ours: number[] = [];
  const inWorker: number[] = [];
  const lexicalMs: number[] = [];
  const direct: number[] = [];
  const relayed: number[] = [];
  const { tenant, database } = chroma;
  const collectionUrl = `${target.chromaUrl}/api/v2/tenants/${tenant}/databases/${database}/collections/${collection.id}`;
  for (const [i, query] of queries.entries()) {
    const all = [
      async () => {
        const { ms, timing } = await searched(client, query);
        ours.push(ms);
        inWorker.push(timing("total"));
        lexicalMs.push(timing("lexical"));
      },
      async () =>
        direct.push(await timed(() => embedAndQuery(target.embeddingsUrl, collection, `${query}?`))),
      async () =>
        relayed.push(
          await timed(() =>
            throughRelay(relay, {
              query: `${query}!`,
              embeddings: target.embeddingsUrl,
              collection: collectionUrl,
              results: RESULTS,
            }),
          ),
        ),
    ];
    for (const run of i % 2 === 0 ? all : all.reverse()) await run();
  }
  for (const samples of [ours, inWorker, lexicalMs, direct, relayed]) samples.splice(0, WARM_UP);
  const row = (whose: string, samples: number[], p: number): Row => {
    const [a, b] = [percentile(samples, p), percentile(direct, p)];
    return {
      what: `search p${p * 100}, hybrid, ${what}${whose}`,
      ours: `${a.toFixed(1)} ms`,
      reference: `${b.toFixed(1)} ms (embed + direct query)`,
      ratio: a / b,
      goal: { atMost: p === 0.5 ? 1.3 : 1.5 },
    };
  };
  // A deployed Worker has no hops of the local runtime before it: both are told.
  const rows: Row[] = [0.5, 0.95].flatMap((p) => [
    row("", ours, p),
    row(", within the Worker (Server-Timing total)", inWorker, p),
    { ...row(", by a Worker that only hands both on", relayed, p), goal: null },
  ]);
  return { rows, lexicalMs };
}

async function searched(client: Client, query: string) {
  const started = performance.now();
  const response = await fetch(`${client.url}/v1/search`, {
    method: "POST",
    headers: { authorization: `Bearer ${client.key}`, "content-type": "application/json" },
    body: JSON.stringify({ query, limit: RESULTS }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST /v1/search: ${response.status} ${text.slice(0, 500)}`);
  const phases = response.headers.get("server-timing") ?? "";
  const timing = (phase: string) => Number(new RegExp(`${phase};dur=([\\d.]+)`).exec(phases)?.[1] ?? 0);
  return { ms: performance.now() - started, timing };
}

async function throughRelay(relay: string, asked: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${relay}/search`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(asked),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the relay: ${response.status} ${text.slice(0, 500)}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function embedAndQuery(embeddingsUrl: string, collection: Collection, query: string): Promise<void> {
  const response = await fetch(`${embeddingsUrl}/embeddings`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "all-MiniLM-L6-v2", input: query, encoding_format: "float" }),
  });
  const { data } = (await response.json()) as { data: { embedding: number[] }[] };
  const [first] = data;
  if (first === undefined) throw new Error("no embedding came");
  await collection.query({ queryEmbeddings: [first.embedding], nResults: RESULTS });
}
