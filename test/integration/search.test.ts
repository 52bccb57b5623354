import { eq } from "drizzle-orm";
import { describe, expect, inject, it } from "vitest";
import { workspaces } from "../../src/db/schema.ts";
import { indexFiles } from "../../src/indexing/index-files.ts";
import { type SearchDeps, type SearchQuery, search } from "../../src/search/search.ts";
import { call, newWorkspace, ROOT_KEY, type TestWorkspace } from "../support/api.ts";
import { appWith } from "../support/app.ts";
import { acceptFiles, eventually, services } from "../support/indexing.ts";
import { newKey } from "../support/keys.ts";
import { markerWord } from "../support/markers.ts";

const deps = services();

const TREE = {
  "src/net/retry.ts":
    "/** Calls again after a failure, waiting longer each time. */\nexport async function retryWithBackoff(work: () => Promise<void>) {\n  await sleep(delay);\n}\n",
  "src/net/pool.ts": "export class ConnectionPool {\n  acquire() {\n    return this.idle.pop();\n  }\n}\n",
  "src-old/net/retry.ts": "export function retryForever() {\n  for (;;) attempt();\n}\n",
  "lib/stats.py": "def arithmetic_mean(values):\n    return sum(values) / len(values)\n",
  "README.md": "# Widgets\n\nA library that draws widgets in the browser.\n",
  Makefile: "all:\n\tcc -o widgets widgets.c\n",
};

interface Answer {
  query: string;
  mode: string;
  results: {
    chunk_id: string;
    path: string;
    start_line: number;
    end_line: number;
    language: string;
    score: number;
    ranks: { vector: number | null; lexical: number | null };
    text: string;
    highlights: { start: number; end: number }[];
  }[];
  next_cursor: string | null;
  truncated: boolean;
  index: { files: number; pending_files: number; updated_at: string | null };
  degraded?: string[];
  took_ms: number;
}

async function indexed(contents: Record<string, string> = TREE): Promise<TestWorkspace> {
  const workspace = await newWorkspace();
  const { jobId, files } = await acceptFiles(deps, workspace.id, contents);
  await indexFiles(deps, { kind: "index", workspaceId: workspace.id, jobId, files });
  return workspace;
}

const ask = (workspace: TestWorkspace, body: unknown) =>
  call("POST", "/v1/search", { key: workspace.key, body });

async function found(workspace: TestWorkspace, body: unknown): Promise<Answer> {
  const response = await ask(workspace, body);
  if (response.status !== 200) throw new Error(await response.text());
  return response.json<Answer>();
}

const paths = (answer: Answer) => answer.results.map(({ path }) => path);

/** The application with an upstream that is not there. */
function without(setting: "CHROMA_URL" | "OPENAI_BASE_URL") {
  const app = appWith({ [setting]: "http://127.0.0.1:9", UPSTREAM_RETRIES: "0" });
  return (workspace: TestWorkspace, body: unknown) =>
    app.fetch("/v1/search", {
      method: "POST",
      headers: { authorization: `Bearer ${workspace.key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
}

describe("POST /v1/search", () => {
  it("finds code by meaning and by words, with scores, places and highlights", async () => {
    const workspace = await indexed();
    const response = await ask(workspace, { query: "retry with backoff", limit: 3 });
    expect(response.status).toBe(200);
    for (const phase of ["auth", "limit", "embed", "vector", "lexical", "fuse", "total"]) {
      expect(response.headers.get("server-timing")).toContain(`${phase};dur=`);
    }
    const answer = await response.json<Answer>();
    expect(answer).toMatchObject({
      query: "retry with backoff",
      mode: "hybrid",
      truncated: false,
      index: { files: 6, pending_files: 0 },
    });
    expect(answer.degraded).toBeUndefined();
    const [first] = answer.results;
    expect(first).toMatchObject({
      path: "src/net/retry.ts",
      start_line: 1,
      language: "typescript",
      ranks: { vector: 1, lexical: 1 },
    });
    expect(first?.highlights.map(({ start, end }) => first.text.slice(start, end))).toEqual([
      "retry",
      "Backoff",
    ]);
    expect(Date.parse(answer.index.updated_at ?? "")).toBeGreaterThan(0);
    expect(answer.results).toHaveLength(3);
    const scores = answer.results.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  it("finds by meaning alone what shares no word", async () => {
    const workspace = await indexed();
    const answer = await found(workspace, { query: "average of a list of numbers", mode: "semantic" });
    expect(answer.results[0]).toMatchObject({ path: "lib/stats.py", ranks: { vector: 1, lexical: null } });
    expect(answer.results.every(({ score }) => score >= 0 && score <= 1)).toBe(true);
  });

  it("finds by words alone, and nothing where no word stands", async () => {
    const workspace = await indexed();
    const answer = await found(workspace, { query: "connection_pool", mode: "lexical" });
    expect(answer.results).toMatchObject([
      { path: "src/net/pool.ts", score: expect.closeTo(0.7, 0), ranks: { vector: null, lexical: 1 } },
    ]);
    expect((await found(workspace, { query: "zebra", mode: "lexical" })).results).toEqual([]);
    expect((await found(workspace, { query: "?!", mode: "lexical" })).results).toEqual([]);
  });

  it.each(["hybrid", "semantic", "lexical"])(
    "keeps to path, languages, extensions and kinds in mode %s",
    async (mode) => {
      const workspace = await indexed();
      const within = async (filter: object) =>
        paths(await found(workspace, { query: "retry widgets values pool", mode, ...filter })).toSorted();
      expect(await within({ path: "src" })).toEqual(["src/net/pool.ts", "src/net/retry.ts"]);
      expect(await within({ path: "src/net/retry.ts" })).toEqual(["src/net/retry.ts"]);
      expect(await within({ path: "src/net/retry" })).toEqual([]);
      expect(await within({ languages: ["Python", "markdown"] })).toEqual(["README.md", "lib/stats.py"]);
      expect(await within({ extensions: [".py", ""] })).toEqual(["Makefile", "lib/stats.py"]);
      expect(await within({ kinds: ["enum"] })).toEqual([]);
      expect(await within({ path: ".", languages: ["python"], extensions: ["py"] })).toEqual([
        "lib/stats.py",
      ]);
    },
  );

  it("selects below folders deeper than the vector store can filter", async () => {
    const deep = "d/".repeat(30);
    const workspace = await indexed({
      [`${deep}in/a.ts`]: "const needle = 1;",
      [`${deep}out/b.ts`]: "const needle = 2;",
    });
    for (const mode of ["hybrid", "semantic", "lexical"]) {
      const answer = await found(workspace, { query: "needle", mode, path: `${deep}in` });
      expect(paths(answer)).toEqual([`${deep}in/a.ts`]);
    }
  });

  it("shows nothing of another workspace", async () => {
    const [mine, other] = [
      await indexed({ "a.ts": "const mine = 1;" }),
      await indexed({ "b.ts": "const secret = 2;" }),
    ];
    for (const mode of ["hybrid", "semantic", "lexical", "symbol"]) {
      expect(paths(await found(mine, { query: "secret", mode }))).not.toContain("b.ts");
    }
    expect(paths(await found(other, { query: "secret" }))).toEqual(["b.ts"]);
  });

  it("answers an empty workspace with no results, and pays for no embedding", async () => {
    const workspace = await newWorkspace();
    const response = await ask(workspace, { query: "anything" });
    expect(response.headers.get("server-timing")).not.toContain("embed;");
    expect(await response.json()).toMatchObject({
      results: [],
      next_cursor: null,
      index: { files: 0, pending_files: 0, updated_at: null },
    });
  });

  it("tells how many files wait to be indexed", async () => {
    const workspace = await indexed({ "a.ts": "const a = 1;" });
    await acceptFiles(deps, workspace.id, { "b.ts": "const b = 1;", "c.ts": "const c = 1;" });
    expect((await found(workspace, { query: "a" })).index).toMatchObject({ files: 1, pending_files: 2 });
  });

  it("no longer finds what was deleted", async () => {
    const workspace = await indexed();
    await deps.workspaceIndex(workspace.id).remove([{ path: "src/net/retry.ts", generation: 1000 }]);
    // The vectors still stand: only the index tells that the file is gone.
    expect(paths(await found(workspace, { query: "retry with backoff" }))).not.toContain("src/net/retry.ts");
    expect((await found(workspace, { query: "retry with backoff", limit: 5 })).results).toHaveLength(5);
  });

  it.each(["CHROMA_URL", "OPENAI_BASE_URL"] as const)(
    "answers by words without %s, and says so",
    async (setting) => {
      const workspace = await indexed();
      const search = without(setting);
      const answer = await (await search(workspace, { query: "connection pool" })).json<Answer>();
      expect(answer.degraded).toEqual(["vector"]);
      expect(answer.results[0]).toMatchObject({
        path: "src/net/pool.ts",
        ranks: { vector: null, lexical: 1 },
      });
      const semantic = await search(workspace, { query: "connection pool", mode: "semantic" });
      expect(semantic.status).toBe(503);
      expect(await semantic.json()).toMatchObject({ code: "upstream_unavailable", retryable: true });
      expect((await search(workspace, { query: "connection pool", mode: "lexical" })).status).toBe(200);
    },
  );

  it("refuses to compare vectors of two models, and names the way out", async () => {
    const workspace = await indexed({ "a.ts": "const a = 1;" });
    await deps.db.update(workspaces).set({ embeddingModel: "older" }).where(eq(workspaces.id, workspace.id));
    for (const mode of ["hybrid", "semantic"]) {
      const response = await ask(workspace, { query: "a", mode });
      expect(response.status).toBe(409);
      const problem = await response.json<{ code: string; detail: string }>();
      expect(problem.code).toBe("embedding_mismatch");
      expect(problem.detail).toContain('POST /v1/index with {"force": true}');
    }
    expect(paths(await found(workspace, { query: "a", mode: "lexical" }))).toEqual(["a.ts"]);
  });

  it.each(["hybrid", "semantic", "lexical"] as const)(
    "scores what answers above what does not, whatever the query: %s",
    async (mode) => {
      const workspace = await indexed();
      const best = async (query: string) => (await found(workspace, { query, mode })).results[0]?.score ?? 0;
      const answered = await Promise.all(
        ["retry with backoff", "arithmetic mean of values", "acquire from the connection pool"].map(best),
      );
      const unrelated = await Promise.all(
        ["recipe for a chocolate cake", "medieval tax law of all France", "weather in Lisbon tomorrow"].map(
          best,
        ),
      );
      const [least, most] = [Math.min(...answered), Math.max(...unrelated)];
      expect(most).toBeLessThan(0.25);
      expect(least).toBeGreaterThan(1.5 * most);
      const bound = { query: "weather in Lisbon tomorrow", mode, min_score: (least + most) / 2 };
      expect((await found(workspace, bound)).results).toEqual([]);
    },
  );

  it("shows a copy of a definition once", async () => {
    const workspace = await indexed({ ...TREE, "vendor/retry.ts": TREE["src/net/retry.ts"] });
    const copies = ["src/net/retry.ts", "vendor/retry.ts"];
    const answer = await found(workspace, { query: "retry with backoff" });
    expect(paths(answer).filter((path) => copies.includes(path))).toHaveLength(1);
  });

  it("keeps to min_score and max_tokens", async () => {
    const workspace = await indexed();
    const all = await found(workspace, { query: "retry widgets" });
    const second = all.results[1]?.score ?? 0;
    expect((await found(workspace, { query: "retry widgets", min_score: second })).results).toHaveLength(2);
    const few = await found(workspace, { query: "retry widgets", max_tokens: 60 });
    expect(few.truncated).toBe(true);
    expect(few.results.length).toBeLessThan(all.results.length);
    expect((await found(workspace, { query: "retry widgets", max_tokens: 100_000 })).truncated).toBe(false);
  });

  it("pages by cursor through all results, and binds it to workspace and query", async () => {
    const workspace = await indexed();
    const query = { query: "retry widgets values pool", limit: 2 };
    const all = await found(workspace, { ...query, limit: 50 });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Answer = await found(workspace, { ...query, ...(cursor ? { cursor } : {}) });
      seen.push(...page.results.map(({ chunk_id }) => chunk_id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(all.results.map(({ chunk_id }) => chunk_id));

    const { next_cursor } = await found(workspace, query);
    const other = await newWorkspace();
    for (const [who, body] of [
      [workspace, { ...query, query: "else" }],
      [workspace, { ...query, path: "src" }],
      [other, query],
    ] as const) {
      const response = await ask(who, { ...body, cursor: next_cursor });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "invalid_cursor" });
    }
  });

  it.each([
    ["no query", {}, "/query"],
    ["an empty query", { query: "" }, "/query"],
    ["white space", { query: " \t\n\u00a0" }, "/query"],
    ["a long query", { query: "x".repeat(2001) }, "/query"],
    ["a number", { query: 7 }, "/query"],
    ["limit 0", { query: "x", limit: 0 }, "/limit"],
    ["limit 51", { query: "x", limit: 51 }, "/limit"],
    ["half a result", { query: "x", limit: 1.5 }, "/limit"],
    ["a limit as text", { query: "x", limit: "5" }, "/limit"],
    ["an unknown mode", { query: "x", mode: "magic" }, "/mode"],
    ["an unknown field", { query: "x", where: {} }, "/where"],
    ["an unknown kind", { query: "x", kinds: ["thing"] }, "/kinds/0"],
    ["an operator for a language", { query: "x", languages: [{ $ne: "" }] }, "/languages/0"],
    ["a score over 1", { query: "x", min_score: 1.1 }, "/min_score"],
    ["no tokens", { query: "x", max_tokens: 0 }, "/max_tokens"],
  ])("refuses %s", async (_, body, pointer) => {
    const response = await ask(await newWorkspace(), body);
    expect(response.status).toBe(400);
    const problem = await response.json<{ code: string; errors: { pointer: string }[] }>();
    expect(problem.code).toBe("invalid_request");
    expect(problem.errors[0]?.pointer).toBe(pointer);
  });

  it.each(["/etc/passwd", "../x", "a//b", "C:\\x", "", "a\0b"])("refuses path %j", async (path) => {
    const response = await ask(await newWorkspace(), { query: "x", path });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_path" });
  });

  it("asks for a credential", async () => {
    expect((await call("POST", "/v1/search", { body: { query: "x" } })).status).toBe(401);
  });
});

describe("search", () => {
  /** The use case on real stores; `trips` names each call that leaves the Worker, in the order in which they start. */
  function counted() {
    const trips: string[] = [];
    // Methods are called on their own object: a stub takes any property for a remote method, `bind` included.
    const noting = <T extends object>(name: string, target: T, methods: string[]): T =>
      new Proxy(target, {
        get(of, key) {
          const called = of as Record<string | symbol, (...args: unknown[]) => unknown>;
          if (!methods.includes(String(key))) return Reflect.get(of, key);
          return (...args: unknown[]) => {
            trips.push(`${name}.${String(key)}`);
            return called[key]?.(...args);
          };
        },
      });
    const index = deps.workspaceIndex;
    const found: SearchDeps = {
      db: noting("d1", deps.db, ["batch", "select"]),
      vectors: noting("chroma", deps.vectors, ["query", "get", "existing"]),
      embedder: deps.embedder,
      previousEmbedding: null,
      embedderFor: (...of) => noting("embedder", deps.embedderFor(...of), ["embed"]),
      workspaceIndex: (id) =>
        noting("index", index(id), ["find", "lexical", "chunks", "stats", "findSymbols"]),
      cursors: deps.cursors,
      memory: deps.searchMemory,
      vectorTimeoutMs: 20_000,
      measure: (_, work) => work(),
    };
    return { trips, found };
  }

  const query: SearchQuery = {
    text: "retry with backoff",
    mode: "hybrid",
    filter: { path: null, languages: [], extensions: [], kinds: [] },
    limit: 2,
    minScore: 0,
    maxTokens: null,
    cursor: null,
  };

  it.each([
    ["hybrid", ["chroma.query", "d1.select", "embedder.embed", "index.chunks", "index.find"]],
    ["semantic", ["chroma.query", "d1.select", "embedder.embed", "index.chunks", "index.find"]],
    ["lexical", ["d1.select", "index.find"]],
    ["symbol", ["d1.select", "index.find"]],
  ] as const)("makes these round trips and no more in mode %s", async (mode, expected) => {
    const workspace = await indexed();
    const { trips, found: counting } = counted();
    await search(counting, workspace.id, { ...query, mode });
    expect(trips.toSorted()).toEqual(expected);
  });

  it("asks the vector store for more, once, where the index knows too few of its ids", async () => {
    const workspace = await indexed();
    const [row] = await deps.db.select().from(workspaces).where(eq(workspaces.id, workspace.id));
    const { vectors } = await deps.embedder.embed(["retry with backoff"]);
    // Vectors without a chunk, nearer than any other: what a fault, or a commit that is still to come, leaves. They
    // lie around the query: an approximate index does not find its way through many equal ones.
    await deps.vectors.upsert(
      row?.collectionId ?? "",
      Array.from({ length: 120 }, (_, i) => ({
        id: `chk_stale${i}`,
        vector: Array.from(vectors[0] ?? [], (x, at) => x + 0.03 * Math.sin((i + 1) * (at + 1))),
        metadata: { kind: "block" },
      })),
    );
    const { trips, found: counting } = counted();
    const result = await search(counting, workspace.id, { ...query, mode: "semantic", limit: 5 });
    expect(result.found).toHaveLength(5);
    expect(result.found[0]?.chunk.path).toBe("src/net/retry.ts");
    expect(trips.filter((trip) => trip === "chroma.query")).toHaveLength(2);
    expect(trips.filter((trip) => trip === "embedder.embed")).toHaveLength(1);
  });
});

describe("POST /v1/search in mode symbol", () => {
  it("finds definitions by name: exact, then other cases, then longer names", async () => {
    const workspace = await newWorkspace();
    const index = deps.workspaceIndex(workspace.id);
    const named: [string, string, string | null][] = [
      ["long.ts", "runAll", null],
      ["other.ts", "RUN", null],
      ["exact.ts", "run", "Task"],
      ["else.ts", "rerun", null],
    ];
    for (const [i, [path, symbol, parent]] of named.entries()) {
      const [plan] = await index.plan([{ path, generation: i + 1, chunks: [{ embedHash: path }] }]);
      if (plan?.outcome !== "write") throw new Error("stale");
      const place = { startLine: 1, endLine: 2, kind: "function" as const, parent };
      const chunk = {
        ...place,
        symbol,
        signature: null,
        doc: null,
        definitions: [{ ...place, name: symbol }],
        text: path,
        embedHash: path,
      };
      const chunks = plan.chunks.map(({ id }) => ({ ...chunk, id }));
      await index.commit([{ path, generation: i + 1, baseGeneration: 0, language: "typescript", chunks }]);
    }
    const answer = await found(workspace, { query: "run", mode: "symbol" });
    expect(answer.results.map(({ path, score }) => [path, score])).toEqual([
      ["exact.ts", 1],
      ["other.ts", 0.9],
      ["long.ts", 0.55],
    ]);
    expect(paths(await found(workspace, { query: "Task.run()", mode: "symbol" }))).toEqual(["exact.ts"]);
    expect(paths(await found(workspace, { query: "%", mode: "symbol" }))).toEqual([]);
  });
});

describe("reranking by the chat model", () => {
  const files = Object.fromEntries(
    Array.from({ length: 12 }, (_, i) => [
      `src/part${i}.ts`,
      `/** Opens the door number ${i}. */\nexport function openDoor${i}() {\n  return ${i === 9 ? "WANTED" : "door"}(${i});\n}\n`,
    ]),
  );
  const searched = async (key: string, body: object, timeoutMs = "20000") => {
    const app = appWith({ SEARCH_RERANK_TIMEOUT_MS: timeoutMs });
    const response = await app.fetch("/v1/search", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    return response.json<Answer & { reranked?: boolean }>();
  };
  const marker = (kind: string) => markerWord("ask", kind);
  const callsOf = async (word: string) => {
    const { origin } = new URL(inject<never>("chatUrl" as never));
    return (await fetch(`${origin}/calls/${word}`)).json<unknown[]>();
  };

  it("is off by default, and asks nobody", async () => {
    const workspace = await indexed(files);
    const word = marker("sort");
    const answer = await found(workspace, { query: `open the door ${word}` });
    expect(answer).not.toHaveProperty("reranked");
    expect(await callsOf(word)).toEqual([]);
  });

  it("puts the first page in the model's order, with falling scores and a cursor without repeats", async () => {
    const workspace = await indexed(files);
    const word = marker("sort");
    // By its number: among doors that are all alike the random word would decide which is first.
    const query = `open the door number 3 ${word}`;
    expect(paths(await found(workspace, { query, limit: 5 }))[0]).not.toBe("src/part9.ts");
    const first = await searched(workspace.key, { query, limit: 5 });
    expect([first.reranked, paths(first)[0]]).toEqual([true, "src/part9.ts"]);
    const scores = first.results.map(({ score }) => score);
    expect([...scores].sort((a, b) => b - a)).toEqual(scores);
    const rest = await searched(workspace.key, { query, limit: 50, cursor: first.next_cursor });
    expect(rest).not.toHaveProperty("reranked");
    expect([...paths(first), ...paths(rest)].sort()).toEqual(Object.keys(files).sort());
    // One call, for the first page.
    expect(await callsOf(word)).toHaveLength(1);
    const usage = await eventually(
      async () =>
        (await call("GET", "/v1/usage", { key: workspace.key })).json<{
          items: { chat_input_tokens: number }[];
        }>(),
      ({ items }) => items.some((item) => item.chat_input_tokens > 100),
    );
    expect(usage.items.length).toBeGreaterThan(0);
  });

  it("leaves the order as it is where the model fails, is late, or names no result", async () => {
    const workspace = await indexed(files);
    for (const [kind, timeoutMs] of [
      ["refused", "20000"],
      ["hang", "50"],
      // It answers in words.
      ["ok", "20000"],
    ] as const) {
      const query = `open the door ${marker(kind)}`;
      const plain = await found(workspace, { query });
      const answer = await searched(workspace.key, { query }, timeoutMs);
      expect([kind, answer.reranked]).toEqual([kind, false]);
      expect([kind, paths(answer)]).toEqual([kind, paths(plain)]);
    }
  });

  it("spends nothing for a credential without the scope ask, in other modes, and past the month's budget", async () => {
    const workspace = await indexed(files);
    const reader = await newKey(workspace.key, { scopes: ["search"] });
    const word = marker("sort");
    const query = `open the door ${word}`;
    expect(await searched(reader.key, { query })).not.toHaveProperty("reranked");
    expect(await searched(workspace.key, { query, mode: "lexical" })).not.toHaveProperty("reranked");
    await call("PATCH", `/v1/workspaces/${workspace.id}`, {
      key: ROOT_KEY,
      body: { monthly_token_budget: 600 },
    });
    expect((await searched(workspace.key, { query })).reranked).toBe(false);
    expect(await callsOf(word)).toEqual([]);
  });
});
