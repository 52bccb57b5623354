import { beforeAll, describe, expect, inject, it } from "vitest";
import { call, newWorkspace, ROOT_KEY, type TestWorkspace } from "../support/api.ts";

/**
 * Walks the OpenAPI document: hostile values in every field of every JSON body and in every query parameter, and
 * malformed bodies on every route that takes one. Whatever the answer is, it is a specified one, never a 500.
 */
interface Operation {
  method: string;
  path: string;
  access: string;
  query: string[];
  /** Names of the body's fields, or null where the route takes no JSON. */
  fields: string[] | null;
  required: Record<string, unknown>;
}

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  $ref?: string;
}

const FALLBACK_STRINGS = [
  "",
  "\u0000",
  "../../etc/passwd",
  "' OR 1=1 --",
  "\ud800",
  "𝕯𝖊𝖛",
  "a".repeat(5000),
  'NEAR(a b) AND "',
  "{{7*7}}<%= 7*7 %>",
  "<script>alert(1)</script>",
  "%00%2e%2e%2f",
  "C:\\Windows\\system32",
  "\r\nSet-Header: x",
  "\u202eevil\u2066",
  "1e400",
  "__proto__",
  "👩‍👩‍👧‍👦".repeat(50),
];
const naughty = inject("naughtyStrings" as never) as string[] | null;
const STRINGS = naughty ?? FALLBACK_STRINGS;
/** Each field meets every ninth string, another ninth than its neighbour: together they meet all, in a minute. */
const SHARE = 9;
const share = (i: number) => STRINGS.filter((_, at) => at % SHARE === i % SHARE);
const ODD_VALUES = [null, true, 0, -1, 1e308, [], [[]], {}, { a: 1 }, ["\u0000"], "\ud800", "a".repeat(3000)];

/** After JSONTestSuite's `n_` cases: each is not JSON, or not what any route takes. */
const MALFORMED = [
  "",
  " ",
  "{",
  "}",
  "[",
  "]",
  "{]",
  "[}",
  "{}{}",
  "[1,]",
  '{"a":1,}',
  '{"a" 1}',
  '{"a":}',
  "{:1}",
  "{1:1}",
  "{'a':1}",
  '{"a":"\t"}',
  '{"a":"\\x00"}',
  '{"a":"\\u12"}',
  '{"a":"\\ud800\\u"}',
  '{"a":01}',
  '{"a":.5}',
  '{"a":1.}',
  '{"a":1e}',
  '{"a":+1}',
  '{"a":NaN}',
  '{"a":Infinity}',
  '{"a":0x1}',
  '{"a":tru}',
  '{"a":nul}',
  '{"a":"',
  '{"a',
  '{"a":/**/1}',
  "{}//",
  "null",
  "true",
  "1",
  '"text"',
  "[]",
  "[1]",
  '{"__proto__":{"admin":true}}',
  '{"constructor":{"prototype":1}}',
  '{"a":1,"a":2}',
  `${"[".repeat(100_000)}`,
  `${'{"a":'.repeat(50)}1${"}".repeat(50)}`,
  `${"[".repeat(31)}${"]".repeat(31)}`,
  `{"a":${"9".repeat(10_000)}}`,
  "\u0000",
  "<xml/>",
  "a=1&b=2",
];
const INVALID_UTF8 = [
  Uint8Array.of(0x22, 0xff, 0x22),
  Uint8Array.of(0xc0, 0xaf),
  Uint8Array.of(0xed, 0xa0, 0x80),
  Uint8Array.of(0xff, 0xfe, 0x7b, 0x00),
];

let operations: Operation[];
let workspace: TestWorkspace;

beforeAll(async () => {
  workspace = await newWorkspace();
  operations = await readOperations();
});

async function readOperations(): Promise<Operation[]> {
  const document = await (await call("GET", "/openapi.json")).json<{
    paths: Record<string, Record<string, Record<string, unknown>>>;
    components: { schemas: Record<string, Schema> };
  }>();
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const parameters = (operation["parameters"] ?? []) as { in: string; name: string }[];
      const content = (operation["requestBody"] as { content?: Record<string, { schema: Schema }> })?.content;
      const json = content?.["application/json"]?.schema;
      const schema = json?.$ref ? document.components.schemas[json.$ref.split("/").at(-1) ?? ""] : json;
      return {
        method: method.toUpperCase(),
        path: path.replaceAll(/\{\w+\}/g, "x"),
        access: String(operation["x-access"]),
        query: parameters.filter((parameter) => parameter.in === "query").map((parameter) => parameter.name),
        fields: schema ? Object.keys(schema.properties ?? {}) : null,
        required: Object.fromEntries(
          (schema?.required ?? []).map((name) => [name, example(schema?.properties?.[name])]),
        ),
      };
    }),
  );
}

function example(schema: Schema | undefined): unknown {
  if (schema?.enum) return schema.enum[0];
  if (schema?.type === "integer" || schema?.type === "number") return 1;
  if (schema?.type === "boolean") return false;
  if (schema?.type === "array") return [];
  return "text";
}

const keyFor = ({ access }: Operation) => (/root/.test(access) ? ROOT_KEY : workspace.key);

/** Sends each request, a few at a time, and gathers those that were answered with a 500 or something unspecified. */
async function failures(requests: (() => Promise<[label: string, response: Response]>)[]): Promise<string[]> {
  const found: string[] = [];
  for (let start = 0; start < requests.length; start += 16) {
    const answers = await Promise.all(requests.slice(start, start + 16).map((send) => send()));
    for (const [label, response] of answers) {
      const text = await response.text();
      const problem = response.headers.get("content-type") === "application/problem+json";
      if (response.status >= 500 || (response.status >= 400 && !problem)) {
        found.push(`${response.status} ${label}: ${text.slice(0, 200)}`);
      }
    }
  }
  return found;
}

describe("hostile inputs", () => {
  it("come from the big list of naughty strings", ({ skip }) => {
    if (naughty === null) skip("SKIPPED: ../shared/corpora/blns is absent; a short list of our own is used");
    expect(STRINGS.length).toBeGreaterThan(400);
  });

  it("in every field of every JSON body are refused or taken, never a 500", async () => {
    let turn = 0;
    const requests = operations.flatMap((operation) =>
      (operation.fields ?? []).flatMap((field) =>
        [...(field === "query" ? STRINGS : share(turn++)), ...ODD_VALUES].map((value) => async () => {
          const body = { ...operation.required, [field]: value };
          const response = await call(operation.method, operation.path, { key: keyFor(operation), body });
          return [`${operation.method} ${operation.path} ${field}=${JSON.stringify(value)}`, response] as [
            string,
            Response,
          ];
        }),
      ),
    );
    expect(requests.length).toBeGreaterThan(1000);
    expect(await failures(requests)).toEqual([]);
  }, 240_000);

  it("in every query parameter are refused or taken, never a 500", async () => {
    const raw = ["%", "%zz", "%ff", "%c0%af", "%ed%a0%80", "a&b", "a=b=c"];
    let turn = 0;
    const requests = operations.flatMap((operation) =>
      operation.query.flatMap((name) =>
        [...share(turn++).map(toQuery), ...raw].map((value) => async () => {
          const path = `${operation.path}?${name}=${value}`;
          const response = await call(operation.method, path, { key: keyFor(operation) });
          return [`${operation.method} ${path}`, response] as [string, Response];
        }),
      ),
    );
    expect(await failures(requests)).toEqual([]);
  }, 240_000);

  it("as malformed bodies are a 400 on every route that takes JSON", async () => {
    const takers = operations.filter(({ fields }) => fields !== null);
    expect(takers.length).toBeGreaterThan(3);
    const wrong: string[] = [];
    for (const operation of takers) {
      for (const raw of [...MALFORMED, ...INVALID_UTF8]) {
        const response = await call(operation.method, operation.path, {
          key: keyFor(operation),
          raw,
          headers: { "content-type": "application/json" },
        });
        const status = response.status;
        await response.body?.cancel();
        // An object that names unknown members, or an optional body that is absent, may meet another refusal.
        if (status !== 400 && !(status === 404 || (raw === "" && status < 500))) {
          wrong.push(`${status} ${operation.method} ${operation.path} ${String(raw).slice(0, 40)}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  }, 120_000);

  it("as a body of another kind are a 415 on every route that takes JSON, whatever else is wrong", async () => {
    for (const operation of operations.filter(({ fields }) => fields !== null)) {
      for (const type of ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""]) {
        const response = await call(operation.method, `${operation.path}?unknown=1`, {
          key: keyFor(operation),
          raw: "{}",
          headers: { "content-type": type },
        });
        expect([operation.method, operation.path, type, response.status]).toEqual([
          operation.method,
          operation.path,
          type,
          415,
        ]);
        await response.body?.cancel();
      }
    }
  });
});

/** Percent-encodes; what is not well-formed Unicode goes as U+FFFD, as a browser would send it. */
function toQuery(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
