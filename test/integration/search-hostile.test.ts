import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, inject, it } from "vitest";
import type { WorkspaceIndex } from "../../src/core/ports.ts";
import { indexFiles } from "../../src/indexing/index-files.ts";
import { findLexical } from "../../src/indexing/workspace-index-read.ts";
import { lexicalQuery } from "../../src/search/lexical-query.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { acceptFiles, services } from "../support/indexing.ts";
import { ANYTHING, bringIn, newIndex } from "../support/workspace-index.ts";

/** The big list of naughty strings; null where it does not stand beside the project, which the set-up says aloud. */
const naughty = inject("naughtyStrings" as never) as string[] | null;

const deps = services();

/** Payloads of SQL and of FTS5's own language: every head with every tail. */
const HEADS = [
  ...[
    "x'",
    'x"',
    "x')",
    'x")',
    "1;",
    "x\\",
    "x`",
    "x]",
    "x--",
    "/*x*/",
    "x\0",
    "x%",
    "x_",
    "x*",
    "^x",
    "+x",
    "-x",
  ],
  ...[
    "symbol:x",
    "path : x",
    "{symbol body}:x",
    "- body : x",
    "NEAR(x y, 0)",
    "NEAR((x",
    "x NEAR/2 y",
    "(x",
    "((x",
  ],
  ...[
    "x AND",
    "OR x",
    "NOT x",
    "x NOT",
    "AND",
    "x + y",
    '"x" + *',
    'x"y"z',
    "''",
    '""',
    "x:y:z",
    "rowid:1",
    "rank",
  ],
];
const TAILS = [
  ...[
    "",
    " OR 1=1 --",
    " OR '1'='1",
    "; DROP TABLE chunks; --",
    " UNION SELECT text FROM chunks",
    ")) OR ((1",
    "'||'",
  ],
  ...[
    '" OR symbol:"',
    '" OR "*',
    " AND body MATCH 'x'",
    " -- ",
    "/**/",
    "\n;\n",
    "\u0000",
    "\ud800",
    "\u202e",
    "🙂",
  ],
  ...[
    " AND AND",
    " NOT NOT",
    ' "',
    " (",
    " )",
    " {",
    " *",
    " ^",
    " :",
    " NEAR",
    " NEAR(",
    "' MATCH '*",
    ";VACUUM;",
  ],
];
const PAYLOADS = HEADS.flatMap((head) => TAILS.map((tail) => `${head}${tail}`));

const ask = (workspace: TestWorkspace, body: unknown) =>
  call("POST", "/v1/search", { key: workspace.key, body });

describe("WorkspaceIndex.lexical, asked for what lexicalQuery makes of hostile text", () => {
  it(`never raises, and keeps to the path, for ${PAYLOADS.length} payloads`, async () => {
    expect(PAYLOADS.length).toBeGreaterThanOrEqual(1150);
    const index = newIndex();
    await bringIn(index, "mine/a.ts", 1, ["x y 1 or and not near rank text chunks body drop table"]);
    await bringIn(index, "other/b.ts", 2, ["x y 1 or and not near rank text chunks body drop table"]);
    for (const payload of [...PAYLOADS, ...(naughty ?? [])]) {
      const { match } = lexicalQuery(payload);
      if (match === null) continue;
      const hits = await index.lexical(match, { ...ANYTHING, path: "mine" }, 10);
      expect(hits.filter(({ path }) => path !== "mine/a.ts")).toEqual([]);
    }
    expect(await index.stats()).toMatchObject({ files: 2, chunks: 2 });
  });

  it("would raise for such text as it is", async () => {
    const { WORKSPACE_INDEX } = env as unknown as Env;
    const stub = WORKSPACE_INDEX.get(WORKSPACE_INDEX.idFromName(crypto.randomUUID()));
    await bringIn(stub as unknown as WorkspaceIndex, "a.ts", 1, ["x"]);
    await runInDurableObject(stub, (_, state) => {
      for (const payload of ["x'", 'x"', "AND", "(x", "other:x"]) {
        const raw = () => findLexical(state.storage.sql, payload, ANYTHING, 1);
        expect(raw).toThrow(/fts5|unterminated|no such column/);
      }
    });
  });

  it("finds nothing, without raising, for letters that the index's tokenizer does not know", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 1, ["needle"]);
    for (const text of ["\u{1E900}\u{1E901}", "𖹀𖹁", "\u{31350}", "²³"]) {
      const { match } = lexicalQuery(text);
      if (match !== null) expect(await index.lexical(match, ANYTHING, 10)).toEqual([]);
      const mixed = lexicalQuery(`${text} needle`).match ?? "";
      expect(await index.lexical(mixed, ANYTHING, 10)).toHaveLength(1);
    }
  });

  it("takes the longest query there is", async () => {
    const index = newIndex();
    await bringIn(index, "a.ts", 1, ["w7 needle"]);
    const words = Array.from({ length: 600 }, (_, i) => `w${i}`).join(" ");
    const { match } = lexicalQuery(words.slice(0, 2000));
    expect(await index.lexical(match ?? "", ANYTHING, 10)).toHaveLength(1);
  });
});

describe("POST /v1/search, given hostile text", () => {
  let workspace: TestWorkspace;
  beforeAll(async () => {
    workspace = await newWorkspace();
    const { jobId, files } = await acceptFiles(deps, workspace.id, { "a.ts": "const needle = 1;" });
    await indexFiles(deps, { kind: "index", workspaceId: workspace.id, jobId, files });
    const other = await newWorkspace();
    const accepted = await acceptFiles(deps, other.id, { "b.ts": "const needle = 'foreign';" });
    await indexFiles(deps, { kind: "index", workspaceId: other.id, ...accepted });
  });

  it("answers 200 or 400, and never a foreign row", async () => {
    const strings = [...(naughty ?? []), ...PAYLOADS].filter((_, i) => i % 11 === 0);
    for (const query of strings) {
      const response = await ask(workspace, { query });
      expect([200, 400], JSON.stringify(query)).toContain(response.status);
      expect(await response.text()).not.toContain("foreign");
    }
  }, 120_000);

  it.each(["path", "languages", "extensions", "kinds", "cursor"])(
    "answers 200 or 400 for it in %s, where the vector store has to take it",
    async (field) => {
      const list = field === "languages" || field === "extensions" || field === "kinds";
      for (const value of [...(naughty ?? []), ...PAYLOADS].filter((_, i) => i % 23 === 0)) {
        const body = { query: "needle", mode: "semantic", [field]: list ? [value] : value };
        const response = await ask(workspace, body);
        expect([200, 400], JSON.stringify(value)).toContain(response.status);
      }
    },
    60_000,
  );
});
