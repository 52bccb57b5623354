import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { ChunkKind } from "../../src/core/chunk.ts";
import { isId } from "../../src/core/ids.ts";
import type { FileToCommit } from "../../src/core/ports.ts";
import { firstLeast, strongOf } from "../../src/indexing/workspace-index-prune.ts";
import { findLexical } from "../../src/indexing/workspace-index-read.ts";
import { migrate } from "../../src/indexing/workspace-index-schema.ts";
import { rewriteTerms } from "../../src/indexing/workspace-index-terms.ts";
import { ANYTHING, bringIn, chunkOf, newIndex, planned } from "../support/workspace-index.ts";

const lexicalPaths = async (index: ReturnType<typeof newIndex>, match: string, filter = {}) =>
  (await index.lexical(match, { ...ANYTHING, ...filter }, 50)).map(({ path }) => path);

/** What `planned` gave, where the test knows that it is not stale. */
async function toCommit(...args: Parameters<typeof planned>): Promise<FileToCommit> {
  const file = await planned(...args);
  if (file === null) throw new Error("stale");
  return file;
}

describe("WorkspaceIndex.plan", () => {
  it("embeds what is new, copies what stands elsewhere, keeps what stands here", async () => {
    const index = newIndex();
    const [first = ""] = await bringIn(index, "a.ts", 1, ["alpha"]);
    const hashes = (texts: string[]) => texts.map((text) => ({ embedHash: chunkOf(text, 0).embedHash }));
    const [a, b] = await index.plan([
      { path: "a.ts", generation: 2, chunks: hashes(["alpha", "beta"]) },
      { path: "b.ts", generation: 2, chunks: hashes(["alpha"]) },
    ]);
    expect(a).toMatchObject({
      outcome: "write",
      baseGeneration: 1,
      chunks: [{ id: first, vector: "kept" }, { vector: "embed" }],
    });
    expect(b).toMatchObject({
      outcome: "write",
      baseGeneration: 0,
      chunks: [{ vector: "copy", donorId: first }],
    });
  });

  it("gives equal chunks an id each, and keeps as many as stand", async () => {
    const index = newIndex();
    const twice = await bringIn(index, "a.ts", 1, ["same", "same"]);
    expect(new Set(twice).size).toBe(2);
    expect(twice.every((id) => isId("chk", id))).toBe(true);
    const thrice = await bringIn(index, "a.ts", 2, ["same", "same", "same"]);
    expect(new Set(thrice).size).toBe(3);
    expect(thrice.slice(0, 2)).toEqual(twice);
  });

  it("gives the same ids to a message that is delivered twice, and others to another generation", async () => {
    const index = newIndex();
    const first = await toCommit(index, "a.ts", 1, ["x", "y"]);
    const again = await toCommit(index, "a.ts", 1, ["x", "y"]);
    expect(again).toEqual(first);
    const newer = await toCommit(index, "a.ts", 2, ["x", "y"]);
    const ids = (file: FileToCommit) => file.chunks.map(({ id }) => id);
    expect(ids(newer).filter((id) => ids(first).includes(id))).toEqual([]);
  });

  it("refuses a generation older than one that was planned, and one that a deletion covers", async () => {
    const index = newIndex();
    await toCommit(index, "a.ts", 5, ["x"]);
    expect(await planned(index, "a.ts", 4, ["x"])).toBeNull();
    await index.remove([{ path: "b.ts", generation: 7 }]);
    expect(await planned(index, "b.ts", 7, ["x"])).toBeNull();
    expect(await planned(index, "b.ts", 8, ["x"])).not.toBeNull();
  });
});

describe("WorkspaceIndex.commit", () => {
  it("returns what it replaced, and says so again until that is settled", async () => {
    const index = newIndex();
    const [old] = await bringIn(index, "a.ts", 1, ["old", "both"]);
    const next = await toCommit(index, "a.ts", 2, ["both", "new"]);
    expect(await index.commit([next])).toEqual([{ path: "a.ts", outcome: "committed", obsolete: [old] }]);
    // Delivered again: the first delivery may have died before it deleted the vector.
    expect(await index.commit([next])).toEqual([{ path: "a.ts", outcome: "committed", obsolete: [old] }]);
    await index.settle([old ?? ""]);
    expect(await index.commit([next])).toEqual([{ path: "a.ts", outcome: "committed", obsolete: [] }]);
    expect(await index.unsettled(Date.now() + 1000, 10)).toEqual([]);
    expect((await index.chunks(next.chunks.map(({ id }) => id))).map(({ text }) => text)).toEqual([
      "both",
      "new",
    ]);
  });

  it("is a conflict where another generation came between plan and commit", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 1, ["one"]);
    const [slow, fast] = [
      await toCommit(index, "a.ts", 3, ["slow"]),
      await toCommit(index, "a.ts", 3, ["fast"]),
    ];
    expect((await index.commit([fast]))[0]?.outcome).toBe("committed");
    expect((await index.commit([slow]))[0]?.outcome).toBe("conflict");
    const again = await toCommit(index, "a.ts", 3, ["slow"]);
    expect((await index.commit([again]))[0]?.outcome).toBe("committed");
  });

  it("is stale where a newer generation was seen, and condemns the vectors written in vain", async () => {
    const index = newIndex();
    const [kept] = await bringIn(index, "a.ts", 1, ["kept"]);
    const late = await toCommit(index, "a.ts", 2, ["kept", "late"]);
    await toCommit(index, "a.ts", 3, ["kept"]);
    expect(await index.commit([late])).toEqual([
      { path: "a.ts", outcome: "stale", obsolete: [late.chunks[1]?.id] },
    ]);
    expect(await index.chunks([kept ?? ""])).toHaveLength(1);
  });

  it("takes back no id that was condemned, whatever else fits", async () => {
    const index = newIndex();
    const [shared = ""] = await bringIn(index, "a.ts", 1, ["shared"]);
    // Both rest on generation 1 and the chunk that stands; the same generation with other text drops it.
    const keeps = await toCommit(index, "a.ts", 1, ["shared", "more"]);
    const drops = await toCommit(index, "a.ts", 1, ["other"]);
    expect((await index.commit([drops]))[0]).toMatchObject({ outcome: "committed", obsolete: [shared] });
    expect((await index.commit([keeps]))[0]).toEqual({ path: "a.ts", outcome: "conflict" });
    const again = await toCommit(index, "a.ts", 1, ["shared", "more"]);
    expect(again.chunks[0]?.id).not.toBe(shared);
    expect((await index.commit([again]))[0]?.outcome).toBe("committed");
  });

  it("is a conflict where repair took the promises back, and the next plan has other ids", async () => {
    const index = newIndex();
    const slow = await toCommit(index, "a.ts", 1, ["x"]);
    const [id = ""] = await index.unsettled(Date.now() + 1000, 10);
    expect(id).toBe(slow.chunks[0]?.id);
    expect((await index.commit([slow]))[0]?.outcome).toBe("conflict");
    await index.settle([id]);
    // Written after the clean-up: the commit cannot know, so it has the id looked at again.
    expect((await index.commit([slow]))[0]?.outcome).toBe("conflict");
    expect(await index.unsettled(Date.now() + 1000, 10)).toEqual([id]);
    expect((await toCommit(index, "a.ts", 1, ["x"])).chunks[0]?.id).not.toBe(id);
  });

  it("is a conflict for a file that was never planned", async () => {
    const index = newIndex();
    const chunks = [{ ...chunkOf("x", 0), id: "chk_made_up" }];
    const file = { path: "a.ts", generation: 1, baseGeneration: 0, language: "go", chunks };
    expect(await index.commit([file])).toEqual([{ path: "a.ts", outcome: "conflict" }]);
    expect(await index.unsettled(Date.now() + 1000, 10)).toEqual(["chk_made_up"]);
  });

  it("keeps a file without chunks out of the totals, and a later one in", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 1, []);
    expect(await index.stats()).toMatchObject({ files: 0, chunks: 0, languages: {} });
    await bringIn(index, "a.ts", 2, ["x", "y"]);
    await bringIn(index, "b.py", 3, ["x"], "python");
    await bringIn(index, "a.ts", 4, ["x"], "tsx");
    expect(await index.stats()).toMatchObject({ files: 2, chunks: 2, languages: { tsx: 1, python: 1 } });
  });

  it("moves lines of kept chunks without writing their vectors again", async () => {
    const index = newIndex();
    const ids = await bringIn(index, "a.ts", 1, [{ text: "function wanted() {}", startLine: 1, endLine: 1 }]);
    await bringIn(index, "a.ts", 2, [
      "import added",
      { text: "function wanted() {}", startLine: 3, endLine: 3 },
    ]);
    expect(await index.chunks(ids)).toMatchObject([{ startLine: 3, endLine: 3, path: "a.ts" }]);
    expect(await lexicalPaths(index, '"wanted"')).toEqual(["a.ts"]);
  });
});

describe("WorkspaceIndex.remove", () => {
  it("takes out chunks and terms, counts them, and refuses a late writer", async () => {
    const index = newIndex();
    const ids = await bringIn(index, "a.ts", 1, ["x", "y"]);
    const late = await toCommit(index, "a.ts", 2, ["x", "z"]);
    const removed = await index.remove([{ path: "a.ts", generation: 3 }]);
    expect(removed).toEqual({ chunks: 2, obsolete: ids.toSorted() });
    expect((await index.commit([late]))[0]).toMatchObject({ outcome: "stale" });
    expect(await index.chunks(ids)).toEqual([]);
    expect(await lexicalPaths(index, '"x" OR "z"')).toEqual([]);
    expect(await index.holdings(["a.ts"])).toEqual([]);
    expect(await index.stats()).toMatchObject({ files: 0, chunks: 0 });
  });

  it("takes out old text even though a newer generation is already planned", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 1, ["secret"]);
    const newer = await toCommit(index, "a.ts", 3, ["secret"]);
    expect((await index.remove([{ path: "a.ts", generation: 2 }])).chunks).toBe(1);
    expect((await index.commit([newer]))[0]?.outcome).toBe("conflict");
    await bringIn(index, "a.ts", 3, ["secret"]);
    expect(await index.holdings(["a.ts"])).toMatchObject([{ path: "a.ts", generation: 3 }]);
  });

  it("leaves a newer file alone", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 5, ["x"]);
    expect(await index.remove([{ path: "a.ts", generation: 4 }])).toEqual({ chunks: 0, obsolete: [] });
    expect(await index.stats()).toMatchObject({ files: 1 });
  });

  it("removes a thousand files in one call", async () => {
    const index = newIndex();
    const files = Array.from({ length: 1000 }, (_, i) => `src/${i}/ünï.ts`);
    const plans = await index.plan(
      files.map((path, i) => ({
        path,
        generation: i + 1,
        chunks: [{ embedHash: `${i}` }, { embedHash: "all" }],
      })),
    );
    await index.commit(
      plans.flatMap((plan, i): FileToCommit[] =>
        plan.outcome === "stale"
          ? []
          : [
              {
                path: plan.path,
                generation: i + 1,
                baseGeneration: 0,
                language: "typescript",
                chunks: plan.chunks.map(({ id }, j) => ({ ...chunkOf(`text ${i} ${j}`, j), id })),
              },
            ],
      ),
    );
    expect(await index.stats()).toMatchObject({ files: 1000, chunks: 2000 });
    const removed = await index.remove(files.map((path) => ({ path, generation: 2000 })));
    expect(removed.chunks).toBe(2000);
    expect(removed.obsolete).toHaveLength(2000);
    await index.settle(removed.obsolete);
    expect(await index.unsettled(Date.now() + 1000, 5000)).toEqual([]);
  });
});

describe("WorkspaceIndex.lexical", () => {
  it("puts a name before a path, a doc comment before the text, and tells how rare the terms are", async () => {
    const index = newIndex();
    const filler = Array.from({ length: 12 }, (_, i) => `other ${i}`);
    await bringIn(index, "text.ts", 1, ["some needle in a text", ...filler]);
    await bringIn(index, "doc.ts", 2, [{ text: "some needle in a text", doc: "A needle." }]);
    await bringIn(index, "lib/needle.ts", 3, ["some thread in a text"]);
    await bringIn(index, "name.ts", 4, [{ text: "some thread in a text", symbol: "needle" }]);
    const alternatives = [{ match: '"needle"', stem: "needl" }];
    const terms = ["needl", "other", "absent"];
    const query = { match: '"needle"', alternatives, terms, filter: ANYTHING };
    const answer = await index.find({ ...query, symbol: null, exclude: null, limit: 10, texts: 1 });
    const order = answer.lexical.map(({ path }) => path);
    expect(order.indexOf("name.ts")).toBeLessThan(order.indexOf("doc.ts"));
    expect(order.indexOf("doc.ts")).toBeLessThan(order.indexOf("text.ts"));
    const [needle = 0, other = 0, absent = 0] = answer.rarity;
    expect(needle).toBeCloseTo(Math.log((16 - 4 + 0.5) / (4 + 0.5)));
    expect(other).toBe(1e-6);
    expect(absent).toBeGreaterThan(needle);
  });

  it("finds the same, in the same order, whether it scores all of many chunks or those of enough rare words alone", async () => {
    const index = newIndex();
    await bringIn(index, "src/a.ts", 1, ["first"]);
    await runInDurableObject(index as never, (_, { storage: { sql } }) => {
      sql.exec(`INSERT INTO chunks (id, file, ordinal, start_line, end_line, kind, text, embed_hash)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
        SELECT 'chk_' || i, 1, i, i, i, 'block', '', '' FROM n`);
      // Of other lengths and counts, so that scores differ; the seldom word mostly beside the common one.
      sql.exec(`INSERT INTO chunk_terms (rowid, symbol, path, doc, body)
        SELECT chunk, '', '', '',
          iif(ordinal % 3 > 0, replace(hex(zeroblob(1 + ordinal % 7)), '00', 'common '), '') ||
          iif(ordinal % 40 = 0, replace(hex(zeroblob(1 + ordinal % 5)), '00', 'seldom '), '') ||
          iif(ordinal % 31 = 0, 'other ', '') || replace(hex(zeroblob(ordinal % 90)), '00', 'filling ')
        FROM chunks WHERE ordinal > 0`);
      const counted = ["common", "seldom", "other"].map((word) => {
        const [{ holders } = { holders: 0 }] = sql
          .exec<{ holders: number }>("SELECT doc AS holders FROM term_frequency WHERE term = ?", word)
          .toArray();
        const rarity = Math.max(1e-6, Math.log((8001 - holders + 0.5) / (holders + 0.5)));
        return { match: `"${word}"`, known: { holders, rarity } };
      });
      for (const filter of [ANYTHING, { ...ANYTHING, kinds: ["block" as const] }]) {
        for (const words of [counted.slice(0, 2), counted]) {
          const match = words.map((word) => word.match).join(" OR ");
          expect(strongOf(words, firstLeast(words, 8001, 100) ?? 0)?.match).not.toContain("common");
          for (const limit of [10, 100, 400]) {
            expect(findLexical(sql, match, filter, limit, words, 8001)).toEqual(
              findLexical(sql, match, filter, limit),
            );
          }
        }
      }
    });
  });

  it("writes the terms of what stands anew where an older schema left them, in slices that go on", async () => {
    const index = newIndex();
    await bringIn(index, "src/a.ts", 1, [{ text: "alpha", symbol: "first" }, "beta", "gamma"]);
    await runInDurableObject(index as never, (_, state) => {
      const { sql } = state.storage;
      for (const name of ["term_frequency", "chunk_terms", "terms_to_write"]) sql.exec(`DROP TABLE ${name}`);
      sql.exec("CREATE VIRTUAL TABLE chunk_terms USING fts5 (symbol, path, body, content = '')");
      sql.exec("DELETE FROM schema_version WHERE version >= 4");
      migrate(state.storage);
      expect(rewriteTerms(sql, 2)).toBe(true);
    });
    expect(await lexicalPaths(index, '"alpha" OR "beta" OR "gamma"')).toHaveLength(2);
    await runInDurableObject(index as never, (_, state) => {
      expect(rewriteTerms(state.storage.sql, 2)).toBe(false);
      expect(rewriteTerms(state.storage.sql, 2)).toBe(false);
    });
    expect(await lexicalPaths(index, '"alpha" OR "beta" OR "gamma"')).toHaveLength(3);
    expect(await lexicalPaths(index, '"first"')).toHaveLength(1);
  });

  it("finds a translation by the name of its language, also where an older schema wrote its terms", async () => {
    const index = newIndex();
    await bringIn(index, "src/locales/de.ts", 1, ["alpha"]);
    await bringIn(index, "src/de.ts", 2, ["beta"]);
    expect(await lexicalPaths(index, '"german"')).toEqual(["src/locales/de.ts"]);
    await runInDurableObject(index as never, (_, state) => {
      const { sql } = state.storage;
      sql.exec(`INSERT OR REPLACE INTO chunk_terms (rowid, symbol, path, doc, body)
        SELECT chunk, '', 'src locales de ts', '', 'alpha' FROM chunks WHERE file = 1`);
    });
    expect(await lexicalPaths(index, '"german"')).toEqual([]);
    await runInDurableObject(index as never, (_, state) => {
      state.storage.sql.exec("DELETE FROM schema_version WHERE version >= 5");
      migrate(state.storage);
      expect(rewriteTerms(state.storage.sql, 10)).toBe(false);
    });
    expect(await lexicalPaths(index, '"german"')).toEqual(["src/locales/de.ts"]);
  });

  it("selects a file or whole segments below a folder, never a longer name", async () => {
    const index = newIndex();
    const long = `src/${"deep/".repeat(60)}x.ts`;
    for (const [i, path] of ["src/x.ts", "src-old/x.ts", "src.ts", "src0/x.ts", long, "源/ü.ts"].entries()) {
      await bringIn(index, path, i + 1, [`needle ${i}`]);
    }
    const below = (path: string) => lexicalPaths(index, '"needle"', { path });
    expect((await below("src")).toSorted()).toEqual([long, "src/x.ts"].toSorted());
    expect(await below("src/x.ts")).toEqual(["src/x.ts"]);
    expect(await below("src/x")).toEqual([]);
    expect(await below(long.slice(0, long.lastIndexOf("/")))).toEqual([long]);
    expect(await below("源")).toEqual(["源/ü.ts"]);
    expect(await below("sr%")).toEqual([]);
  });

  it("filters by language, extension and kind, any of each", async () => {
    const index = newIndex();
    await bringIn(index, "a.TS", 1, [{ text: "needle", kind: "function" }, "needle again"]);
    await bringIn(index, "b.py", 2, ["needle"], "python");
    await bringIn(index, ".gitignore", 3, ["needle"], "text");
    expect(await lexicalPaths(index, '"needle"', { languages: ["python", "go"] })).toEqual(["b.py"]);
    expect((await lexicalPaths(index, '"needle"', { extensions: ["ts", ""] })).toSorted()).toEqual([
      ".gitignore",
      "a.TS",
      "a.TS",
    ]);
    expect(await lexicalPaths(index, '"needle"', { kinds: ["function"], languages: ["typescript"] })).toEqual(
      ["a.TS"],
    );
    expect(await lexicalPaths(index, '"needle"', { languages: ["' OR 1=1 --"] })).toEqual([]);
  });

  it("finds identifiers by their words, whole in any convention, and by their stems", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 1, ["export function getUserByName() {}"]);
    await bringIn(index, "b.py", 2, ["def parse_http_headers(): pass"]);
    await bringIn(index, "c.ts", 3, ["// 検索エンジンの索引を作る"]);
    expect(await lexicalPaths(index, '"name"')).toEqual(["a.ts"]);
    expect(await lexicalPaths(index, '"getuserbyname"')).toEqual(["a.ts"]);
    expect(await lexicalPaths(index, '"parsehttpheaders"')).toEqual(["b.py"]);
    expect(await lexicalPaths(index, '"parsing"')).toEqual(["b.py"]);
    expect(await lexicalPaths(index, '"索引"')).toEqual(["c.ts"]);
  });

  it("ranks the name of a definition above its mention, best first", async () => {
    const index = newIndex();
    await bringIn(index, "use.ts", 1, ["const x = retry(() => fetch(url)); // calls it"]);
    await bringIn(index, "def.ts", 2, [
      { text: "export const retry = () => { }; // the thing", symbol: "retry" },
    ]);
    const hits = await index.lexical('"retry"', ANYTHING, 10);
    expect(hits.map(({ path }) => path)).toEqual(["def.ts", "use.ts"]);
    expect(hits[0]?.bm25).toBeGreaterThan(hits[1]?.bm25 ?? 0);
    expect(await index.lexical('"retry"', ANYTHING, 1)).toHaveLength(1);
  });
});

describe("WorkspaceIndex.symbols", () => {
  const definition = (name: string, startLine: number, endLine: number, parent: string | null = null) => ({
    name,
    kind: parent === null ? ("function" as const) : ("method" as const),
    parent,
    startLine,
    endLine,
  });

  it("lists every definition by line, once, whatever chunks its lines are in", async () => {
    const index = newIndex();
    const long = definition("long", 11, 44);
    const run = definition("run", 50, 52, "jobs.Task");
    const stop = definition("stop", 53, 54, "jobs.Task");
    const chunks = [
      "header",
      {
        text: "first half",
        symbol: "long",
        signature: "function long()",
        doc: "Is long.",
        definitions: [long],
      },
      { text: "second half", symbol: "long" },
      { text: "m", definitions: [run, stop] },
    ];
    const file = await toCommit(index, "a.ts", 1, chunks);
    await index.commit([{ ...file, chunkedBy: "syntax" }]);
    expect(await index.symbols("a.ts")).toEqual({ chunkedBy: "syntax", symbols: [long, run, stop] });
    expect(await index.symbols("nowhere.ts")).toEqual({ chunkedBy: null, symbols: [] });
    expect(await index.chunks([file.chunks[1]?.id ?? ""])).toMatchObject([
      { symbol: "long", signature: "function long()", doc: "Is long." },
    ]);

    const find = async (name: string, parent: string | null, kinds: ChunkKind[] = []) =>
      (await index.findSymbols(name, parent, { ...ANYTHING, kinds }, 10)).map(({ id, match }) => [
        file.chunks.findIndex((chunk) => chunk.id === id),
        match,
      ]);
    expect(await find("stop", "Task")).toEqual([[3, "exact"]]);
    expect(await find("stop", "jobs.task")).toEqual([[3, "exact"]]);
    expect(await find("stop", "ask")).toEqual([]);
    expect(await find("LONG", null)).toEqual([[1, "other_case"]]);
    expect(await find("", null, ["method"])).toEqual([[3, "prefix"]]);

    // The same chunks, with a definition less in one that is kept.
    const moved = await toCommit(index, "a.ts", 2, [
      ...chunks.slice(0, 3),
      { text: "m", definitions: [stop] },
    ]);
    await index.commit([moved]);
    expect((await index.symbols("a.ts")).symbols).toEqual([long, stop]);
    await index.remove([{ path: "a.ts", generation: 3 }]);
    expect(await find("stop", null)).toEqual([]);
  });
});

describe("WorkspaceIndex.clear", () => {
  it("forgets everything and takes nothing from a writer that was under way", async () => {
    const index = newIndex();
    const ids = await bringIn(index, "a.ts", 1, ["x"]);
    const late = await toCommit(index, "b.ts", 2, ["y"]);
    await index.clear();
    expect(await index.chunks(ids)).toEqual([]);
    expect(await index.stats()).toEqual({ files: 0, chunks: 0, languages: {}, updatedAtMs: null });
    expect(await index.unsettled(Date.now() + 1000, 10)).toEqual([]);
    expect(await index.commit([late])).toEqual([
      { path: "b.ts", outcome: "stale", obsolete: [late.chunks[0]?.id] },
    ]);
    expect(await planned(index, "c.ts", 9, ["z"])).toBeNull();
    expect(await lexicalPaths(index, '"x"')).toEqual([]);
  });
});
