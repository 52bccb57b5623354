import { eq } from "drizzle-orm";
import { describe, expect, inject, it } from "vitest";
import { workspaces } from "../../src/db/schema.ts";
import { indexFiles } from "../../src/indexing/index-files.ts";
import { type SearchDeps, type SearchResult, search } from "../../src/search/search.ts";
import { searchPattern } from "../../src/search/search-pattern.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { appWith } from "../support/app.ts";
import { acceptFiles, services } from "../support/indexing.ts";
import { bringIn, type TestChunk } from "../support/workspace-index.ts";

const deps = services();
const unmeasured = <T>(_: string, work: () => Promise<T>) => work();

interface Answer {
  mode: string;
  results: {
    chunk_id: string;
    path: string;
    start_line: number;
    score: number;
    text: string;
    highlights: { start: number; end: number }[];
  }[];
  next_cursor: string | null;
  truncated: boolean;
  index: { files: number; pending_files: number; updated_at: string | null };
}

const ask = (workspace: TestWorkspace, body: unknown, route = "/v1/search") =>
  call("POST", route, { key: workspace.key, body });

async function found(workspace: TestWorkspace, body: unknown, route = "/v1/search"): Promise<Answer> {
  const response = await ask(workspace, body, route);
  if (response.status !== 200) throw new Error(await response.text());
  return response.json<Answer>();
}

const paths = ({ results }: Answer) => results.map(({ path }) => path);
const marked = ({ results }: Answer) =>
  results.map(({ text, highlights }) => highlights.map(({ start, end }) => text.slice(start, end)));

/** A workspace whose index holds these chunks; none has a vector. */
async function holding(files: Record<string, (TestChunk | string)[]>): Promise<TestWorkspace> {
  const workspace = await newWorkspace();
  const index = deps.workspaceIndex(workspace.id);
  let generation = 0;
  for (const [path, chunks] of Object.entries(files)) await bringIn(index, path, ++generation, chunks);
  return workspace;
}

/** A workspace with all of it: index and vectors. */
async function indexed(contents: Record<string, string>): Promise<TestWorkspace> {
  const workspace = await newWorkspace();
  const { jobId, files } = await acceptFiles(deps, workspace.id, contents);
  await indexFiles(deps, { kind: "index", workspaceId: workspace.id, jobId, files });
  return workspace;
}

describe("query syntax of POST /v1/search", () => {
  const TREE = {
    "src/net/retry.ts":
      "export async function retry(work) {\n  // waits for the network, then tries again\n}\n",
    "src/net/retry.py": "def retry(work):\n    # waits for the network, then tries again\n    pass\n",
    "lib/retry.ts": "export const retry = (times) => {\n  // for a unit test: tries again at once\n};\n",
  };

  it("narrows every mode by path:, lang:, ext: and -exclusions", async () => {
    const workspace = await indexed(TREE);
    for (const mode of ["hybrid", "semantic", "lexical"]) {
      const within = async (query: string, more: object = {}) =>
        paths(await found(workspace, { query, mode, ...more })).toSorted();
      expect(await within("retry path:src")).toEqual(["src/net/retry.py", "src/net/retry.ts"]);
      expect(await within("retry lang:ts")).toEqual(["lib/retry.ts", "src/net/retry.ts"]);
      expect(await within("retry ext:py")).toEqual(["src/net/retry.py"]);
      expect(await within("retry -network")).toEqual(["lib/retry.ts"]);
      expect(await within('retry -"unit test" lang:ts')).toEqual(["src/net/retry.ts"]);
      expect(await within("retry path:src lang:ts", { path: "src/net" })).toEqual(["src/net/retry.ts"]);
      expect(await within("retry path:lib", { path: "src" })).toEqual([]);
      expect(await within("retry lang:go", { languages: ["python"] })).toEqual([]);
      // By an extension, as `lang:` takes it.
      expect(await within("retry", { languages: ["PY"] })).toEqual(["src/net/retry.py"]);
    }
  });

  it("narrows by kind: in mode lexical and symbol", async () => {
    const workspace = await holding({
      "a.ts": [{ text: "run fast", symbol: "run", kind: "function", definitions: [definition("run")] }],
      "b.ts": [{ text: "run slow", symbol: "run", kind: "class", definitions: [definition("run", "class")] }],
    });
    for (const mode of ["lexical", "symbol"]) {
      expect(paths(await found(workspace, { query: "run kind:fn", mode }))).toEqual(["a.ts"]);
      expect(paths(await found(workspace, { query: "run -slow", mode }))).toEqual(["a.ts"]);
    }
  });

  it("asks for quoted phrases by words alone, and reads nothing within quotes", async () => {
    const workspace = await holding({
      "a.ts": ["connection refused by peer"],
      "b.ts": ["refused: the connection"],
      "c.ts": ["the path src of a connection"],
    });
    const search = async (query: string) => paths(await found(workspace, { query, mode: "lexical" }));
    expect(await search('"Connection refused" peer')).toEqual(["a.ts"]);
    expect(await search('connection "path:src"')).toEqual(["c.ts"]);
    expect((await search("connection refused")).length).toBe(3);
    expect(await search('"connection refused" "by peer" -peer')).toEqual([]);
  });

  it.each([
    ["kind:thing x", "invalid_request"],
    ["path:../x y", "invalid_path"],
    ["path:src", "invalid_request"],
  ])("answers 400 to %j", async (query, code) => {
    const response = await ask(await newWorkspace(), { query });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code });
  });
});

function definition(
  name: string,
  kind: "function" | "class" | "method" = "function",
  parent: string | null = null,
) {
  return { name, kind, parent, startLine: 1, endLine: 2 };
}

describe("mode symbol", () => {
  it("finds by humps and by other conventions, after exact names and before longer ones", async () => {
    const names = [
      "getUserByName",
      "get_user_by_name",
      "get-user-by-name",
      "getUserByNameOrMail",
      "gubnX",
      "other",
    ];
    const workspace = await holding(
      Object.fromEntries(
        names.map((name) => [`${name}.ts`, [{ text: name, symbol: name, definitions: [definition(name)] }]]),
      ),
    );
    const search = async (query: string) =>
      (await found(workspace, { query, mode: "symbol" })).results.map(({ path, score }) => [
        path.slice(0, -3),
        Math.round(score * 10) / 10,
      ]);
    const conventions = ["getUserByName", "get-user-by-name", "get_user_by_name"];
    const byHumps = (await search("gUBN")).map(([name]) => name);
    expect(byHumps[0]).toBe("gubnX");
    expect(byHumps.slice(1, 4).toSorted()).toEqual(conventions.toSorted());
    expect(byHumps[4]).toBe("getUserByNameOrMail");
    expect((await search("getUserByName")).slice(0, 3)).toEqual([
      ["getUserByName", 1],
      ["get-user-by-name", 0.9],
      ["get_user_by_name", 0.9],
    ]);
    expect((await search("getUsByN")).length).toBe(4);
    for (const { score } of (await found(workspace, { query: "gUBN", mode: "symbol" })).results) {
      expect(score).toBeLessThanOrEqual(1);
    }
  });

  it("finds a member by its parent", async () => {
    const workspace = await holding({
      "a.ts": [
        {
          text: "a",
          symbol: "run",
          parent: "jobs.Task",
          definitions: [definition("run", "method", "jobs.Task")],
        },
      ],
      "b.ts": [
        { text: "b", symbol: "run", parent: "Other", definitions: [definition("run", "method", "Other")] },
      ],
    });
    for (const query of ["Task.run", "task::run()", "jobs.Task.run"]) {
      expect(paths(await found(workspace, { query, mode: "symbol" }))).toEqual(["a.ts"]);
    }
  });
});

describe("mode regex", () => {
  const regex = (workspace: TestWorkspace, query: string, more: object = {}) =>
    found(workspace, { query, mode: "regex", ...more });

  it("finds what matches, by path and line, and marks the matches", async () => {
    const workspace = await holding({
      "b.ts": ["const a = fetchUser(1);\nconst b = fetchAll();", "nothing here"],
      "a.py": ["def fetch_user(id):\n    return 1"],
    });
    const answer = await regex(workspace, "fetch\\w+\\(");
    expect(paths(answer)).toEqual(["a.py", "b.ts"]);
    expect(marked(answer)).toEqual([["fetch_user("], ["fetchUser(", "fetchAll("]]);
    expect(answer).toMatchObject({ mode: "regex", truncated: false, next_cursor: null, index: { files: 2 } });
    expect(marked(await regex(workspace, "FETCHALL", { case_sensitive: false }))).toEqual([["fetchAll"]]);
    expect(paths(await regex(workspace, "FETCHALL"))).toEqual([]);
    expect(paths(await regex(workspace, "^const b"))).toEqual(["b.ts"]);
    expect(paths(await regex(workspace, "\\);\\nconst"))).toEqual([]);
    expect(paths(await regex(workspace, "\\);\\nconst", { multiline: true }))).toEqual(["b.ts"]);
    // Nothing that three letters could be known of: all is scanned.
    expect(paths(await regex(workspace, "\\d\\)"))).toEqual(["b.ts"]);
    expect(paths(await regex(workspace, "fetch", { path: "a.py" }))).toEqual(["a.py"]);
    expect(paths(await regex(workspace, "fetch", { extensions: ["ts"] }))).toEqual(["b.ts"]);
    expect(paths(await regex(workspace, "zebra"))).toEqual([]);
  });

  it("finds what was changed as it is now, and nothing that was taken out", async () => {
    const workspace = await holding({ "a.ts": ["first words"] });
    const index = deps.workspaceIndex(workspace.id);
    await bringIn(index, "a.ts", 2, ["second words"]);
    expect(paths(await regex(workspace, "first"))).toEqual([]);
    expect(paths(await regex(workspace, "second"))).toEqual(["a.ts"]);
    await index.remove([{ path: "a.ts", generation: 3 }]);
    expect(paths(await regex(workspace, "second"))).toEqual([]);
    expect(paths(await regex(workspace, "."))).toEqual([]);
  });

  it("tells a match once where chunks overlap", async () => {
    const workspace = await holding({
      "a.ts": [
        { text: "one\nneedle\nthree", startLine: 1, endLine: 3 },
        { text: "needle\nthree\nfour", startLine: 2, endLine: 4 },
        { text: "three\nfour\nneedle", startLine: 3, endLine: 5 },
      ],
    });
    expect((await regex(workspace, "needle")).results.map(({ start_line }) => start_line)).toEqual([1, 3]);
  });

  it("pages without gap or repetition, whatever the size of the page, and while rows are added", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => [`f${i}.ts`, [`needle ${i}`, `needle too ${i}`]]),
    );
    const workspace = await holding(files);
    for (const limit of [1, 4, 50]) {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: Answer = await regex(workspace, "needle", { limit, ...(cursor ? { cursor } : {}) });
        seen.push(...page.results.map(({ text }) => text));
        cursor = page.next_cursor;
        if (limit === 4 && seen.length === 4) {
          await bringIn(deps.workspaceIndex(workspace.id), "a-new.ts", 100, ["needle new"]);
        }
      } while (cursor !== null);
      const added = limit === 50 ? ["needle new"] : [];
      expect(seen).toEqual([...added, ...Object.values(files).flat()]);
    }
    const { next_cursor } = await regex(workspace, "needle", { limit: 1 });
    for (const more of [
      { case_sensitive: false },
      { multiline: true },
      { query: "need" },
      { mode: "lexical" },
    ]) {
      const response = await ask(workspace, { query: "needle", mode: "regex", cursor: next_cursor, ...more });
      expect(await response.json()).toMatchObject({ code: "invalid_cursor" });
    }
  });

  it("stops after so much text, says so, and goes on where it stopped", async () => {
    const texts = Array.from({ length: 12 }, (_, i) =>
      i % 5 === 4 ? `needle ${i}` : `lorem ipsum ${"x".repeat(i)}`,
    );
    const workspace = await holding({ "a.txt": texts.slice(0, 7), "b.txt": texts.slice(7) });
    const filter = { path: null, languages: [], extensions: [], kinds: [] };
    const options = { caseSensitive: true, multiline: false };
    const query = { text: "\\w \\d", filter, limit: 10, minScore: 0, maxTokens: null, options };
    const found: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page: SearchResult = await searchPattern(searchDeps(), workspace.id, { ...query, cursor }, 40);
      found.push(...page.found.map(({ chunk }) => chunk.text));
      cursor = page.nextCursor;
      expect(page.truncated).toBe(cursor !== null);
      pages++;
    } while (cursor !== null);
    expect(found).toEqual(["needle 4", "needle 9"]);
    expect(pages).toBeGreaterThan(3);
  });

  it("stops after seconds of the most expensive pattern, and lets others have their turn meanwhile", async () => {
    const long = "x".repeat(4000);
    const workspace = await holding({ "a.txt": Array.from({ length: 60 }, (_, i) => `${long}${i}`) });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const answer = await regex(workspace, "(?:.{500}|.{499}){2}\\dy$");
    clearInterval(timer);
    expect(answer).toMatchObject({ results: [], truncated: true, next_cursor: expect.any(String) });
    // Some thirty where nothing else runs; none where it kept its turn.
    expect(turns).toBeGreaterThan(2);
  });

  it("keeps to max_tokens", async () => {
    const workspace = await holding({
      "a.ts": ["needle one two"],
      "b.ts": ["needle three four"],
      "c.ts": ["needle"],
    });
    const first = await regex(workspace, "needle", { max_tokens: 6 });
    expect(first).toMatchObject({ truncated: true });
    expect(paths(first)).toEqual(["a.ts"]);
    const next = await regex(workspace, "needle", { max_tokens: 6, cursor: first.next_cursor });
    expect(paths(next)[0]).toBe("b.ts");
  });

  it.each(["(?=a)b", "(?<!a)b", "(a)\\1", "a(", "(a{30}){40}", "a{1001}"])(
    "answers 400 unsupported_pattern to %s",
    async (query) => {
      const response = await ask(await newWorkspace(), { query, mode: "regex" });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        code: "unsupported_pattern",
        errors: [{ pointer: "/query" }],
      });
    },
  );

  it("takes any pattern that it does not refuse: quotes, operators of FTS5, Unicode, deep nesting", async () => {
    const workspace = await holding({ "a.ts": ['say "AND" ünï 😀😀😀 x'] });
    const patterns = [
      '"AND"',
      "(say|AND|OR|NOT)",
      "ünï",
      "😀{3}",
      "\\x{1F600}+",
      `${"(?:say|".repeat(45)}x${")".repeat(45)}`,
    ];
    for (const query of patterns) expect(paths(await regex(workspace, query)), query).toEqual(["a.ts"]);
    expect(marked(await regex(workspace, "😀+"))).toEqual([["😀😀😀"]]);
  });
});

describe("paging while files come in", () => {
  it("repeats no chunk in any mode", async () => {
    const workspace = await indexed(
      Object.fromEntries(
        Array.from({ length: 8 }, (_, i) => [`f${i}.ts`, `export const pool${i} = connect(${i});`]),
      ),
    );
    for (const mode of ["hybrid", "semantic", "lexical", "symbol"]) {
      const query = { query: mode === "symbol" ? "pool" : "connect pool", mode, limit: 3 };
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: Answer = await found(workspace, { ...query, ...(cursor ? { cursor } : {}) });
        seen.push(...page.results.map(({ path }) => path));
        cursor = page.next_cursor;
        const { jobId, files } = await acceptFiles(deps, workspace.id, {
          [`new-${mode}-${seen.length}.ts`]: "connect pool connect pool",
        });
        await indexFiles(deps, { kind: "index", workspaceId: workspace.id, jobId, files });
      } while (cursor !== null && seen.length < 60);
      expect(new Set(seen).size).toBe(seen.length);
      if (mode !== "symbol") expect(seen.filter((path) => path.startsWith("f")).length).toBe(8);
    }
  });
});

describe("POST /v1/similar", () => {
  const CODE = "def arithmetic_mean(values):\n    return sum(values) / len(values)\n";

  it("finds code like the code given, keeps to its filters, and reads no operator in it", async () => {
    const workspace = await indexed({
      "stats/mean.py": CODE,
      "net/retry.ts": "export async function retry() {\n  await sleep(delay);\n}\n",
    });
    const similar = (body: object) => found(workspace, body, "/v1/similar");
    const answer = await similar({ code: CODE, language: "python" });
    expect(answer).toMatchObject({ mode: "semantic", query: CODE, index: { files: 2 } });
    expect(answer.results[0]).toMatchObject({ path: "stats/mean.py", highlights: [] });
    expect(answer.results[0]?.score).toBeGreaterThan(answer.results[1]?.score ?? 1);
    expect(paths(await similar({ code: CODE, languages: ["typescript"] }))).toEqual(["net/retry.ts"]);
    expect(paths(await similar({ code: CODE, path: "net" }))).toEqual(["net/retry.ts"]);
    expect(paths(await similar({ code: CODE, min_score: 0.99 })).length).toBeLessThan(2);
    expect(paths(await similar({ code: 'x -y path:../z "open', limit: 1 }))).toHaveLength(1);
  });

  it.each([
    {},
    { code: " " },
    { code: "x".repeat(32_769) },
    { code: "x", limit: 51 },
    { code: "x", mode: "regex" },
  ])("refuses a body such as %j", async (body) => {
    expect((await ask(await newWorkspace(), body, "/v1/similar")).status).toBe(400);
  });
});

describe("feedback", () => {
  const listed = (workspace: TestWorkspace, query = "") =>
    call("GET", `/v1/feedback${query}`, { key: workspace.key }).then((response) =>
      response.json<{ items: Record<string, unknown>[]; next_cursor: string | null }>(),
    );

  it("is kept with query and place, and listed newest first, by chunk or all", async () => {
    const workspace = await holding({ "src/a.ts": ["needle one", "needle two"] });
    const { results } = await found(workspace, { query: "needle", mode: "lexical" });
    const [first, second] = results.map(({ chunk_id }) => chunk_id);
    const rate = (body: object) => ask(workspace, body, "/v1/feedback");
    const given = await rate({ chunk_id: first, query: "needle", rating: "up" });
    expect(given.status).toBe(201);
    expect(await given.json()).toMatchObject({
      chunk_id: first,
      path: "src/a.ts",
      rating: "up",
      comment: null,
    });
    await rate({ chunk_id: second, query: "needle", rating: "down", comment: "not ü" });
    expect((await listed(workspace)).items.map(({ chunk_id }) => chunk_id)).toEqual([second, first]);
    expect((await listed(workspace, `?chunk_id=${second}`)).items).toMatchObject([
      { query: "needle", rating: "down", comment: "not ü", start_line: 11, end_line: 20 },
    ]);
    const page = await listed(workspace, "?limit=1");
    const next = await listed(workspace, `?limit=1&cursor=${page.next_cursor}`);
    expect(next.items).toMatchObject([{ chunk_id: first }]);
    expect(next.next_cursor).toBeNull();
    // It outlives the chunk, whose place it keeps.
    await deps.workspaceIndex(workspace.id).remove([{ path: "src/a.ts", generation: 9 }]);
    expect((await listed(workspace)).items).toHaveLength(2);
    expect((await rate({ chunk_id: first, query: "needle", rating: "up" })).status).toBe(404);
  });

  it("knows no chunk and no feedback of another workspace", async () => {
    const [mine, other] = [await holding({ "a.ts": ["needle"] }), await newWorkspace()];
    const [hit] = (await found(mine, { query: "needle", mode: "lexical" })).results;
    const body = { chunk_id: hit?.chunk_id, query: "needle", rating: "up" };
    const refused = await ask(other, body, "/v1/feedback");
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ code: "not_found" });
    expect((await ask(mine, body, "/v1/feedback")).status).toBe(201);
    expect((await listed(other)).items).toEqual([]);
    for (const bad of [
      { ...body, rating: "maybe" },
      { ...body, query: "" },
      { ...body, stars: 5 },
    ]) {
      expect((await ask(mine, bad, "/v1/feedback")).status).toBe(400);
    }
  });
});

describe("the vector leg", () => {
  const QUERY = {
    text: "connection pool",
    mode: "hybrid" as const,
    filter: { path: null, languages: [], extensions: [], kinds: [] },
    limit: 5,
    minScore: 0,
    maxTokens: null,
    cursor: null,
  };
  const POOL = { "pool.ts": "export class ConnectionPool {\n  acquire() {}\n}\n" };

  it("embeds a query once for each workspace, whatever its white space", async () => {
    const [mine, other] = [await indexed(POOL), await indexed(POOL)];
    let embedded = 0;
    const counting: SearchDeps = {
      ...searchDeps(),
      embedderFor(id, tokens) {
        embedded++;
        return deps.embedderFor(id, tokens);
      },
    };
    await search(counting, mine.id, QUERY);
    await search(counting, mine.id, { ...QUERY, text: " connection\n pool " });
    expect(embedded).toBe(1);
    await search(counting, other.id, QUERY);
    expect(embedded).toBe(2);
  });

  it("asks again where the collection was replaced since the row was read", async () => {
    const workspace = await indexed(POOL);
    const where = eq(workspaces.id, workspace.id);
    const [row] = await deps.db.select().from(workspaces).where(where);
    await search(searchDeps(), workspace.id, QUERY);
    const name = `replaced-${workspace.id}`;
    const collectionId = await deps.vectors.openCollection(name, { workspace: workspace.id });
    await deps.db.update(workspaces).set({ collectionId }).where(where);
    const moved = await search(searchDeps(), workspace.id, QUERY);
    expect(moved.degraded).toEqual([]);
    expect(moved.found.map(({ ranks }) => ranks.vector)).toEqual([null]);
    await deps.db
      .update(workspaces)
      .set({ collectionId: row?.collectionId ?? null })
      .where(where);
    await deps.vectors.deleteCollection(name);
    const back = await search(searchDeps(), workspace.id, QUERY);
    expect(back.found.map(({ ranks }) => ranks.vector)).toEqual([1]);
  });

  it.each(["CHROMA_URL", "OPENAI_BASE_URL"])(
    "is given up in time where %s is silent, and not waited for at all after three times",
    async (setting) => {
      const workspace = await indexed(POOL);
      const app = appWith({ [setting]: inject("silentUrl" as never), SEARCH_VECTOR_TIMEOUT_MS: "700" });
      const ask = async (mode: string) => {
        const response = await app.fetch("/v1/search", {
          method: "POST",
          headers: { authorization: `Bearer ${workspace.key}`, "content-type": "application/json" },
          body: JSON.stringify({ query: "connection pool", mode }),
        });
        return { response, body: await response.json<Answer & { degraded?: string[]; took_ms: number }>() };
      };
      for (let i = 0; i < 4; i++) {
        const { response, body } = await ask("hybrid");
        expect(response.status).toBe(200);
        expect(body.degraded).toEqual(["vector"]);
        expect(paths(body)).toEqual(["pool.ts"]);
        if (i < 3) expect(body.took_ms).toBeGreaterThanOrEqual(690);
        else expect(body.took_ms).toBeLessThan(690);
      }
      const { response, body } = await ask("semantic");
      expect(response.status).toBe(503);
      expect(body).toMatchObject({ code: "upstream_unavailable" });
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    },
  );
});

function searchDeps(): SearchDeps {
  return { ...deps, memory: deps.searchMemory, vectorTimeoutMs: 20_000, measure: unmeasured };
}
