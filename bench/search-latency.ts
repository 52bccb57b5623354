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
 * The two take turns, query by query, and neither repeats a text, so caches serve nobody.
 */
export async function measureSearch(target: SearchTarget, queries: readonly string[]): Promise<Row[]> {
  const client = new Client(target.url, target.apiKey);
  const { hostname, port } = new URL(target.chromaUrl);
  const [collection] = await new ChromaClient({
    host: hostname,
    port: Number(port),
    ssl: false,
  }).listCollections();
  if (collection === undefined) throw new Error("nothing is indexed");
  const ours: number[] = [];
  const direct: number[] = [];
  for (const [i, query] of queries.entries()) {
    const both = [
      async () => ours.push(await timed(() => client.json("POST", "/v1/search", { query, limit: RESULTS }))),
      async () =>
        direct.push(await timed(() => embedAndQuery(target.embeddingsUrl, collection, `${query}?`))),
    ];
    for (const run of i % 2 === 0 ? both : both.reverse()) await run();
  }
  ours.splice(0, WARM_UP);
  direct.splice(0, WARM_UP);
  return [0.5, 0.95].map((p) => {
    const [a, b] = [percentile(ours, p), percentile(direct, p)];
    return {
      what: `search p${p * 100}, hybrid, ${ours.length} queries`,
      ours: `${a.toFixed(1)} ms`,
      reference: `${b.toFixed(1)} ms (embed + direct query)`,
      ratio: a / b,
      goal: { atMost: p === 0.5 ? 1.5 : 2 },
    };
  });
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
