import { newBoundary } from "../../core/delimited.ts";
import { parseSelector } from "../../core/path.ts";
import { orderByModel, type Rerank } from "../../search/rerank.ts";
import { type SearchResult, search } from "../../search/search.ts";
import { searchPattern } from "../../search/search-pattern.ts";
import { type AppContext, workspaceOf } from "../context.ts";
import { defineRoute } from "../route.ts";
import { SearchAnswerSchema, SearchRequestSchema, SimilarRequestSchema } from "../schemas/search.ts";
import { searchDeps } from "../searching.ts";

export const searchRoutes = [
  defineRoute({
    method: "post",
    path: "/v1/search",
    summary: "Search the workspace's code",
    description:
      "`hybrid` fuses meaning and words, `semantic` and `lexical` are one of them, `symbol` looks for definitions by " +
      "name (`getUserByName`, `getUser`, `gUBN`, `Users.getUserByName`), `regex` for a pattern in RE2's syntax. In all " +
      "but `regex` a query may hold `path:`, `lang:`, `ext:`, `kind:` and -exclusions. Where the vector store or the embedder is down, `hybrid` answers by words and says `degraded`.",
    tag: "Search",
    access: "search",
    limit: "search",
    body: { schema: SearchRequestSchema },
    responses: { 200: { description: "Results, best first.", schema: SearchAnswerSchema } },
    async handle(c, { body }) {
      const services = c.get("services");
      const startedAt = services.now();
      const { mode } = body;
      const { workspaceId } = workspaceOf(c);
      const query = {
        text: body.query,
        filter: {
          path: parseSelector(body.path),
          languages: body.languages,
          extensions: body.extensions,
          kinds: body.kinds,
        },
        limit: body.limit,
        minScore: body.min_score,
        maxTokens: body.max_tokens ?? null,
        cursor: body.cursor ?? null,
      };
      const options = { caseSensitive: body.case_sensitive ?? true, multiline: body.multiline ?? false };
      const result =
        mode === "regex"
          ? await searchPattern(depsOf(c), workspaceId, { ...query, options })
          : await search(depsOf(c, rerankOf(c)), workspaceId, { ...query, mode });
      return c.json({
        query: body.query,
        mode,
        ...resultBody(result),
        took_ms: services.now() - startedAt,
      });
    },
  }),
  defineRoute({
    method: "post",
    path: "/v1/similar",
    summary: "Find code like a piece of code",
    description:
      "By meaning alone; an exact copy scores near 1. The code is read as it is: it holds no operators.",
    tag: "Search",
    access: "search",
    limit: "search",
    body: { schema: SimilarRequestSchema },
    responses: { 200: { description: "Results, most alike first.", schema: SearchAnswerSchema } },
    async handle(c, { body }) {
      const services = c.get("services");
      const startedAt = services.now();
      const result = await search(depsOf(c), workspaceOf(c).workspaceId, {
        text: body.code,
        mode: "semantic",
        verbatim: true,
        filter: { path: parseSelector(body.path), languages: body.languages, extensions: [], kinds: [] },
        limit: body.limit,
        minScore: body.min_score,
        maxTokens: null,
        cursor: body.cursor ?? null,
      });
      return c.json({
        query: body.code,
        mode: "semantic",
        ...resultBody(result),
        took_ms: services.now() - startedAt,
      });
    },
  }),
];

function depsOf(c: AppContext, rerank: Rerank | null = null) {
  const timing = c.get("timing");
  return searchDeps(c.get("services"), c.get("config"), {
    keyId: workspaceOf(c).keyId,
    measure: (phase, work) => timing.measure(phase, work),
    rerank,
  });
}

/** By the chat model, where the deployment wants it and the credential may spend on it. A failure leaves the order. */
function rerankOf(c: AppContext): Rerank | null {
  const { SEARCH_RERANK_TIMEOUT_MS: timeoutMs } = c.get("config");
  const { workspaceId, keyId, scopes } = workspaceOf(c);
  if (timeoutMs === 0 || !scopes.includes("ask")) return null;
  const { chatFor, chatContextTokens: contextTokens } = c.get("services");
  return async (query, candidates, monthlyTokens) => {
    try {
      const chat = chatFor(workspaceId, monthlyTokens, null, keyId);
      if (chat === null) return null;
      const bounds = { contextTokens, boundary: newBoundary(), timeoutMs };
      return await orderByModel(chat, query, candidates, bounds);
    } catch (cause) {
      c.get("log").warning("a search was not reranked", { reason: (cause as Error).name });
      return null;
    }
  };
}

function resultBody({ found, nextCursor, truncated, index, degraded, reranked }: SearchResult) {
  return {
    results: found.map(({ chunk, score, ranks, highlights }) => ({
      chunk_id: chunk.id,
      path: chunk.path,
      start_line: chunk.startLine,
      end_line: chunk.endLine,
      language: chunk.language,
      kind: chunk.kind,
      symbol: chunk.symbol,
      parent: chunk.parent,
      score,
      ranks,
      text: chunk.text,
      highlights,
    })),
    next_cursor: nextCursor,
    truncated,
    index: {
      files: index.files,
      pending_files: index.pendingFiles,
      updated_at: index.updatedAtMs === null ? null : new Date(index.updatedAtMs).toISOString(),
    },
    ...(degraded.length > 0 ? { degraded } : {}),
    ...(reranked === null ? {} : { reranked }),
  };
}
