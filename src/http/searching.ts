import type { Config } from "../config.ts";
import type { SearchDeps } from "../search/search.ts";
import type { Services } from "../services.ts";

/** What the searches of one request need; they are paid for by the key. Not to be spread: that makes both clients. */
export function searchDeps(
  services: Services,
  config: Config,
  { keyId, measure, rerank = null }: Pick<SearchDeps, "measure" | "rerank"> & { keyId: string },
): SearchDeps {
  return {
    db: services.db,
    embedderFor: (id, monthlyTokens, _key, model) => services.embedderFor(id, monthlyTokens, keyId, model),
    previousEmbedding: services.previousEmbedding,
    workspaceIndex: services.workspaceIndex,
    cursors: services.cursors,
    memory: services.searchMemory,
    vectorTimeoutMs: config.SEARCH_VECTOR_TIMEOUT_MS,
    // Read when asked for: the lexical leg needs neither client.
    get vectors() {
      return services.vectors;
    },
    get embedder() {
      return services.embedder;
    },
    measure,
    rerank,
  };
}
