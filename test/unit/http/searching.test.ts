import { expect, it } from "vitest";
import type { Config } from "../../../src/config.ts";
import { searchDeps } from "../../../src/http/searching.ts";
import { search } from "../../../src/search/search.ts";
import type { Services } from "../../../src/services.ts";

it("makes no client of an upstream for a search that asks none", async () => {
  const made: string[] = [];
  const find = async () => ({
    lexical: [],
    rarity: [],
    symbols: [],
    chunks: [],
    files: 0,
    updatedAtMs: null,
  });
  const services = {
    get vectors() {
      return made.push("vectors");
    },
    get embedder() {
      return made.push("embedder");
    },
    workspaceIndex: () => ({ find }),
    searchMemory: { workspaces: new Map() },
    db: {
      select: () => ({
        from: () => ({ where: () => ({ limit: async () => [{ workspace: { id: "ws_1" }, pending: 0 }] }) }),
      }),
    },
  } as unknown as Services;
  const caller = { keyId: "key_1", measure: <T>(_: string, work: () => Promise<T>) => work() };
  const deps = searchDeps(services, { SEARCH_VECTOR_TIMEOUT_MS: 1 } as Config, {
    ...caller,
    rerank: async () => null,
  });
  const filter = { path: { path: ".", recursive: true }, languages: [], extensions: [], kinds: [] };
  const asked = { text: "a b", filter, limit: 5, minScore: 0, maxTokens: null, cursor: null };
  await search(deps, "ws_1", { ...asked, mode: "lexical" } as unknown as Parameters<typeof search>[2]);
  expect(made).toEqual([]);
});
