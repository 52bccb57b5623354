import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client as McpClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../bench/client.ts";
import { zodSources } from "../../bench/sources.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { type StandInChat, startStandInChat } from "../support/stand-in-chat.ts";

/**
 * Questions on the sources of the npm package zod, written from its file names before any search was tried, with
 * the files that answer each. Eight of ten are to come back with a right file among the first five results.
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

/** Questions for answers, written the same way; nine of ten must have such a file among the sources of the prompt. */
const ASKED: readonly [question: string, files: string[]][] = [
  [
    "How is a schema turned into a JSON Schema document, and what happens with recursive ones?",
    ["v4/core/to-json-schema.ts", "v4/core/json-schema-processors.ts", "v4/core/json-schema-generator.ts"],
  ],
  ["Where do the patterns for email addresses and UUIDs stand?", ["v4/core/regexes.ts"]],
  [
    "How can I flatten a ZodError into messages by field?",
    ["v4/core/errors.ts", "v4/classic/errors.ts", "v3/ZodError.ts"],
  ],
  ["Which file holds the German error messages?", ["v4/locales/de.ts"]],
  [
    "How does coercion of input to a number work?",
    ["v4/classic/coerce.ts", "v4/mini/coerce.ts", "v3/types.ts", "v4/core/schemas.ts"],
  ],
  ["What does the global registry do, and how is metadata added to it?", ["v4/core/registries.ts"]],
  [
    "How are minimum and maximum length checked?",
    ["v4/core/checks.ts", "v4/classic/checks.ts", "v4/core/schemas.ts", "v3/types.ts"],
  ],
  [
    "What is the difference between parse and safeParse?",
    ["v4/core/parse.ts", "v4/classic/parse.ts", "v3/types.ts"],
  ],
  [
    "Which interface does a schema implement for the Standard Schema specification?",
    ["v4/core/standard-schema.ts", "v3/standard-schema.ts"],
  ],
  ["How is a zod schema built from a JSON Schema?", ["v4/classic/from-json-schema.ts"]],
];
const ENOUGH_SOURCES = 9;
/** Some 8,000 chunks, at what the slowest machine of a shared pool embeds. */
const INDEXING_MS = 600_000;

interface Answer {
  results: { path: string; start_line: number; end_line: number }[];
}

interface Asked {
  sources: { path: string }[];
  citations: { path: string; start_line: number; end_line: number }[];
}

let folder: string;
let stack: Stack;
let client: Client;
let chat: StandInChat;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-questions-"));
  chat = await startStandInChat();
  const settings = {
    LOG_LEVEL: "warning",
    // What is found is looked at here, not how soon: a busy machine must not be answered by words alone.
    SEARCH_VECTOR_TIMEOUT_MS: "60000",
    ...chat.settings,
  };
  stack = await startStack({ stateFolder: folder, port: 0, settings });
  client = new Client(stack.url, stack.apiKey);
});

afterAll(async () => {
  await stack?.stop();
  await chat?.stop();
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

  it("answers as a stream, and each citation opens to the lines that the model was shown", async () => {
    const marker = "askok00000001";
    const response = await fetch(`${stack.url}/v1/ask`, {
      method: "POST",
      headers: { authorization: `Bearer ${stack.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ question: `How is an email address validated? ${marker}`, stream: true }),
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = (await response.text()).split("\n\n").filter((block) => block.startsWith("event: "));
    expect(events.map((block) => block.split("\n")[0]?.slice(7)).join(" ")).toMatch(
      /^sources( delta)+ done$/,
    );
    const done = JSON.parse(/^data: (.*)$/m.exec(events.at(-1) ?? "")?.[1] ?? "{}") as Asked;
    expect(done.citations.length).toBeGreaterThan(0);
    const prompt = chat.calls(marker)[0]?.body.messages.at(-1)?.content ?? "";
    for (const { path, start_line, end_line } of done.citations) {
      const query = new URLSearchParams({ path, start_line: `${start_line}`, end_line: `${end_line}` });
      const opened = await fetch(`${stack.url}/v1/files/content?${query}`, {
        headers: { authorization: `Bearer ${stack.apiKey}` },
      });
      expect(opened.status).toBe(200);
      const lines = (await opened.text()).replace(/\n$/, "").split("\n");
      expect(lines).toHaveLength(end_line - start_line + 1);
      for (const [i, line] of lines.entries()) expect(prompt).toContain(`\n${start_line + i}| ${line}\n`);
    }
  });

  it(`has a right file among the sources for ${ENOUGH_SOURCES} of ten questions`, async () => {
    const found = await Promise.all(
      ASKED.map(async ([question, files]) => {
        const { sources } = await client.json<Asked>("POST", "/v1/ask", { question });
        const place = sources.findIndex(({ path }) => files.includes(path)) + 1;
        console.log(`${place === 0 ? "-" : place} of ${sources.length}  ${question}`);
        return place > 0;
      }),
    );
    expect(found.filter(Boolean).length).toBeGreaterThanOrEqual(ENOUGH_SOURCES);
  });

  it("leads an agent from a name to its code, and on to code like it, by MCP", async () => {
    const agent = new McpClient({ name: "agent", version: "1" });
    const transport = new StreamableHTTPClientTransport(new URL(`${stack.url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${stack.apiKey}` } },
    });
    await agent.connect(transport as Parameters<McpClient["connect"]>[0]);
    const use = async <T>(name: string, input: Record<string, unknown>): Promise<T> => {
      const { isError, structuredContent, content } = await agent.callTool({ name, arguments: input });
      expect([name, isError ?? false, isError ? content : ""]).toEqual([name, false, ""]);
      return structuredContent as T;
    };
    try {
      const { results } = await use<Answer>("find_symbol", { name: "flattenError", code: false });
      const [place] = results;
      expect(place).toMatchObject({ path: "v4/core/errors.ts", symbol: "flattenError" });
      const { text } = await use<{ text: string }>("read_file", {
        path: place?.path,
        start_line: place?.start_line,
        end_line: place?.end_line,
      });
      const file = zodSources().find(({ path }) => path === place?.path);
      const lines = new TextDecoder().decode(file?.bytes).split("\n");
      const shown = lines.slice((place?.start_line ?? 0) - 1, place?.end_line).join("\n");
      expect(text.trimEnd()).toBe(shown.trimEnd());
      const similar = await use<Answer>("find_similar", { code: text, show_code: false, limit: 10 });
      expect(similar.results[0]).toMatchObject({ path: place?.path, start_line: place?.start_line });
      // The method of the version before, from which it was made.
      expect(similar.results.map(({ path }) => path)).toContain("v3/ZodError.ts");
    } finally {
      await agent.close();
    }
  });

  it("costs nothing to send again", async () => {
    expect(await client.upload(zodSources())).toBeNull();
  });
});
