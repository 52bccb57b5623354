import { Hono } from "hono";

/**
 * What any Worker adds to a search by meaning: one route, no check, the two requests of the reference handed on one after
 * the other, and their answer handed back.
 */
const app = new Hono();

interface Asked {
  query: string;
  /** Address of the embedding server, with its version. */
  embeddings: string;
  /** Address of the collection. */
  collection: string;
  results: number;
}

app.post("/search", async (c) => {
  const { query, embeddings, collection, results } = await c.req.json<Asked>();
  const embedded = await post(`${embeddings}/embeddings`, {
    model: "all-MiniLM-L6-v2",
    input: query,
    encoding_format: "float",
  });
  const { data } = (await embedded.json()) as { data: { embedding: number[] }[] };
  const found = await post(`${collection}/query`, {
    query_embeddings: data.map(({ embedding }) => embedding),
    n_results: results,
    include: ["documents", "metadatas", "distances"],
  });
  return c.json((await found.json()) as object);
});
app.get("/health", (c) => c.text("ok"));

function post(url: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
}

export default app;
