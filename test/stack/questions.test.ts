import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../bench/client.ts";
import { zodSources } from "../../bench/sources.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";

/**
 * Questions on the sources of the npm package zod, written from its file names before any search was tried, with
 * the files that answer each. Eight of ten must come back with a right file among the first five results.
 */
const QUESTIONS: readonly [question: string, answers: string[]][] = [
  [
    "convert a schema to JSON Schema",
    ["v4/core/to-json-schema.ts", "v4/core/json-schema-processors.ts", "v4/core/json-schema-generator.ts"],
  ],
  ["build a schema from a JSON Schema document", ["v4/classic/from-json-schema.ts"]],
  ["regular expressions for uuid, email and ip addresses", ["v4/core/regexes.ts"]],
  ["German translation of validation error messages", ["v4/locales/de.ts"]],
  [
    "flatten an error into field errors or a tree",
    ["v4/core/errors.ts", "v4/classic/errors.ts", "v3/ZodError.ts"],
  ],
  ["coerce input to a number, boolean or date", ["v4/classic/coerce.ts", "v4/mini/coerce.ts", "v3/types.ts"]],
  ["benchmark of discriminated unions", ["v3/benchmarks/discriminatedUnion.ts"]],
  ["global registry that stores metadata for schemas", ["v4/core/registries.ts"]],
  ["check the minimum length of a string or the size of a set", ["v4/core/checks.ts", "v4/core/schemas.ts"]],
  ["the standard schema interface", ["v4/core/standard-schema.ts", "v3/standard-schema.ts"]],
];
const ENOUGH = 8;
/** Some 8,000 chunks, at what the slowest machine of a shared pool embeds. */
const INDEXING_MS = 600_000;

interface Answer {
  results: { path: string; start_line: number; end_line: number }[];
}

let folder: string;
let stack: Stack;
let client: Client;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-questions-"));
  stack = await startStack({ stateFolder: folder, port: 0, settings: { LOG_LEVEL: "warning" } });
  client = new Client(stack.url, stack.apiKey);
});

afterAll(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("real code through the API", () => {
  it("indexes a few hundred files and tells of each", { timeout: INDEXING_MS }, async () => {
    const files = zodSources();
    const job = await client.upload(files);
    expect(job).not.toBeNull();
    const ended = await client.finished(job?.id ?? "");
    expect(ended.status).toBe("succeeded");
    expect(ended.files).toMatchObject({ total: files.length, failed: 0 });
    expect(ended.chunks.total).toBeGreaterThan(files.length);
    const stats = await client.json<{ files: number; chunks: number; vectors: number }>("GET", "/v1/stats");
    expect(stats.vectors).toBe(stats.chunks);
  });

  it(`finds a right file in the first five for ${ENOUGH} of ten questions`, async () => {
    const found = await Promise.all(
      QUESTIONS.map(async ([query, answers]) => {
        const { results } = await client.json<Answer>("POST", "/v1/search", { query, limit: 5 });
        const rank = results.findIndex(({ path }) => answers.includes(path)) + 1;
        console.log(`${rank === 0 ? "-" : rank}  ${query}  (first: ${results[0]?.path})`);
        return rank > 0;
      }),
    );
    expect(found.filter(Boolean).length).toBeGreaterThanOrEqual(ENOUGH);
  });

  it("costs nothing to send again", async () => {
    expect(await client.upload(zodSources())).toBeNull();
  });
});
