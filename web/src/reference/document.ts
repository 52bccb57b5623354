/** What the reader needs of OpenAPI 3.1, as the Worker writes it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  description?: string;
  example?: unknown;
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

type Content = Record<string, { schema?: Schema }>;

export interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  security?: Record<string, string[]>[];
  "x-rate-limit"?: string | null;
  "x-access"?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; description?: string; content: Content };
  responses: Record<string, { $ref?: string; description?: string; content?: Content }>;
}

export interface OpenApi {
  info: { version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Call {
  method: string;
  path: string;
  operation: Operation;
}

/** The calls by tag, both in the document's order. */
export function callsByTag({ paths }: OpenApi): Map<string, Call[]> {
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  return Map.groupBy(calls, ({ operation }) => operation.tags[0] ?? "Other");
}

/** Whether every word stands somewhere in what is said of the call. */
export function matches({ method, path, operation }: Call, words: string): boolean {
  const said = `${method} ${path} ${operation.summary} ${operation.description ?? ""}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => said.includes(word));
}

export const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf("/") + 1);

export function resolve(document: OpenApi, schema: Schema): Schema {
  return schema.$ref === undefined ? schema : (document.components.schemas[nameOf(schema.$ref)] ?? {});
}

/** The object's fields, those of all its parts; null for what is no object. */
export function fieldsOf(
  document: OpenApi,
  schema: Schema,
): { name: string; schema: Schema; required: boolean }[] | null {
  const own = resolve(document, schema);
  if (own.items !== undefined) return fieldsOf(document, own.items);
  const parts = (own.allOf ?? []).flatMap((part) => fieldsOf(document, part) ?? []);
  const named = Object.entries(own.properties ?? {}).map(([name, value]) => ({
    name,
    schema: value,
    required: own.required?.includes(name) === true,
  }));
  return parts.length + named.length === 0 ? null : [...parts, ...named];
}

/** `string (1 … 2000 characters)`, `integer (1 … 50)`, `"hybrid" | "regex"`, `SearchHit[] or null`. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(" or ");
  if (schema.allOf !== undefined) return typeOfAll(schema.allOf);
  const types = [schema.type ?? "any"].flat();
  const plain = types.map((type) =>
    type === "array" ? `${bracketed(typeOf(schema.items ?? {}))}[]` : (schema.format ?? type),
  );
  const range = rangeOf(schema);
  return plain.join(" or ") + (range === "" ? "" : ` (${range})`);
}

/** A part that says no more than `object or null` says that null may stand there. */
function typeOfAll(parts: readonly Schema[]): string {
  const bare = (part: Schema) => Object.keys(part).join() === "type";
  const named = parts.filter((part) => !bare(part)).map(typeOf);
  const nullable = parts.some((part) => bare(part) && part.type?.includes("null"));
  return named.join(" and ") + (nullable ? " or null" : "");
}

const bracketed = (type: string) => (/[ |]/.test(type) ? `(${type})` : type);

function rangeOf({ minimum, maximum, minLength, maxLength, maxItems }: Schema): string {
  // Bounds of the number format itself say nothing.
  const said = (bound: number | undefined) =>
    bound === undefined || Math.abs(bound) >= Number.MAX_SAFE_INTEGER ? "" : String(bound);
  const between = (low: string, high: string, unit: string) =>
    low === "" && high === "" ? "" : `${`${low} … ${high}`.trim()}${unit}`;
  return (
    between(said(minimum), said(maximum), "") ||
    between(said(minLength), said(maxLength), " characters") ||
    (maxItems === undefined ? "" : `at most ${maxItems}`)
  );
}

/** Values that a reader understands, by the names of fields. */
const SAMPLES: Record<string, unknown> = {
  query: "where are settings read",
  question: "How are rate limits counted?",
  code: "function add(a, b) { return a + b }",
  pattern: "TODO|FIXME",
  name: "CI",
  path: "src/index.ts",
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
};

/** An example of a body: what has to be there, and nothing else. Bounded in depth, as schemas may nest. */
export function exampleOf(document: OpenApi, schema: Schema, name = "", depth = 0): unknown {
  const own = resolve(document, schema);
  if (own.example !== undefined) return own.example;
  if (own.default !== undefined) return own.default;
  if (own.const !== undefined) return own.const;
  if (own.enum !== undefined) return own.enum[0];
  const first = (own.anyOf ?? own.oneOf)?.[0];
  if (first !== undefined) return exampleOf(document, first, name, depth);
  const fields = own.items === undefined ? fieldsOf(document, own) : null;
  if (fields !== null && depth < 4) {
    const needed = fields.filter(({ required }) => required);
    return Object.fromEntries(
      needed.map((field) => [field.name, exampleOf(document, field.schema, field.name, depth + 1)]),
    );
  }
  if (own.items !== undefined) return [exampleOf(document, own.items, name.replace(/s$/, ""), depth + 1)];
  const [type] = [own.type ?? "object"].flat();
  if (type === "integer" || type === "number")
    return own.minimum !== undefined && own.minimum > 0 ? own.minimum : 1;
  if (type === "boolean") return true;
  return type === "string" ? (SAMPLES[name] ?? name) : {};
}

/** A `curl` to paste. The key comes from the environment: this page knows none. */
export function curlOf(document: OpenApi, { method, path, operation }: Call): string {
  const query = (operation.parameters ?? [])
    .filter((one) => one.in === "query" && one.required === true)
    .map(({ name }) => `${name}=${encodeURIComponent(String(SAMPLES[name] ?? name)).replaceAll("%2F", "/")}`);
  const url = `$DEVFLOW_URL${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => `<${name}>`)}`;
  const lines = [`curl --fail-with-body "${url}${query.length === 0 ? "" : `?${query.join("&")}`}"`];
  const content = Object.entries(operation.requestBody?.content ?? {});
  if (method !== "GET" && !(method === "POST" && content.length > 0)) lines[0] += ` -X ${method}`;
  if ((operation.security ?? []).length > 0) lines.push('-H "Authorization: Bearer $DEVFLOW_KEY"');
  const [first] = content;
  if (first !== undefined) {
    const [type, { schema }] = first;
    if (type === "application/json" && schema !== undefined) {
      const json = JSON.stringify(exampleOf(document, schema)).replaceAll("'", "'\\''");
      lines.push("-H 'Content-Type: application/json'", `-d '${json}'`);
    } else if (type === "multipart/form-data") lines.push("-F 'files=@README.md;filename=README.md'");
    else {
      if (type !== "*/*") lines.push(`-H 'Content-Type: ${type}'`);
      lines.push("--data-binary @FILE");
    }
  }
  return lines.join(" \\\n  ");
}
