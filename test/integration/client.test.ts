import { beforeAll, describe, expect, it } from "vitest";
import { DevFlowClient } from "../../client/client.ts";
import { call } from "../support/api.ts";

interface Schema {
  $ref?: string;
  properties?: Record<string, unknown>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

interface Operation {
  parameters?: { in: string; name: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

interface Sent {
  method: string;
  path: string;
  query: string[];
  body: unknown;
}

let document: Document;

beforeAll(async () => {
  document = await (await call("GET", "/openapi.json")).json<Document>();
});

function operationOf({ method, path }: Sent): Operation | undefined {
  const template = Object.keys(document.paths).find(
    (one) => one === path || new RegExp(`^${one.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path),
  );
  return template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
}

function fieldsOf(schema: Schema | undefined): string[] {
  if (schema === undefined) return [];
  if (schema.$ref !== undefined)
    return fieldsOf(document.components.schemas[schema.$ref.split("/").at(-1) ?? ""]);
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [...Object.keys(schema.properties ?? {}), ...parts.flatMap(fieldsOf)];
}

/** Every call that the client can make, with every field that its types know. */
const CALLS: Record<string, (client: DevFlowClient) => Promise<unknown>> = {
  health: (c) => c.health(),
  whoami: (c) => c.whoami(),
  token: (c) => c.token({ scope: "search", expires_in: 60 }),
  search: (c) =>
    c.search({
      query: "x",
      mode: "hybrid",
      limit: 1,
      path: "a",
      languages: [],
      extensions: [],
      kinds: [],
      min_score: 0,
      max_tokens: 1,
      case_sensitive: true,
      multiline: true,
      cursor: "c",
    }),
  similar: (c) => c.similar({ code: "x", language: "go", limit: 1, path: "a", languages: [], min_score: 0 }),
  feedback: (c) => c.feedback({ chunk_id: "chk_1", query: "x", rating: "up", comment: "c" }),
  stats: (c) => c.stats(),
  files: (c) => c.files({ path: "a", limit: 1, cursor: "c" }),
  fileInfo: (c) => c.fileInfo("a"),
  fileText: (c) => c.fileText("a", { start: 1, end: 2 }),
  putFile: (c) => c.putFile("a", "x"),
  deleteFiles: (c) => c.deleteFiles({ path: "a", recursive: true }),
  deleteAll: (c) => c.deleteFiles({ all: true, confirm: "ws_1" }),
  reindex: (c) => c.reindex({ path: ".", force: true }),
  uploadFiles: (c) => c.uploadFiles([{ path: "a", content: "x" }], { folder: "f", sync: "syn_1" }),
  uploadArchive: (c) =>
    c.uploadArchive(new Blob(["x"]), "application/zip", {
      path: "a",
      allow_secrets: true,
      use_default_ignores: false,
    }),
  planSync: (c) => c.planSync({ path: "a", files: [], use_default_ignores: true }),
  commitSync: (c) => c.commitSync("syn_1", { delete_missing: true, allow_mass_delete: true }),
  jobs: (c) => c.jobs({ limit: 1, cursor: "c" }),
  job: (c) => c.job("job_1"),
  jobFiles: (c) => c.jobFiles("job_1", { status: "failed", limit: 1, cursor: "c" }),
  cancelJob: (c) => c.cancelJob("job_1"),
  retryJob: (c) => c.retryJob("job_1"),
  followJob: (c) => c.followJob("job_1").next(),
  ask: (c) =>
    c.ask({ question: "x", messages: [], path: "a", context_files: [], limit: 1, max_output_tokens: 1 }),
  askStream: (c) => c.askStream({ question: "x" }).next(),
  explain: (c) => c.explain({ path: "a", start_line: 1, end_line: 2 }),
  explainCode: (c) => c.explain({ code: "x", language: "go" }),
  keys: (c) => c.keys({ limit: 1, cursor: "c" }),
  createKey: (c) => c.createKey({ name: "x", scopes: ["search"], expires_at: null }),
  rotateKey: (c) => c.rotateKey("key_1", 0),
  revokeKey: (c) => c.revokeKey("key_1"),
  securityEvents: (c) =>
    c.securityEvents({ type: "export", since: "2026-01-01T00:00:00Z", limit: 1, cursor: "c" }),
  usage: (c) => c.usage({ from: "2026-01-01", to: "2026-02-01", group_by: "key" }),
  checklist: (c) => c.checklist(),
  createBackup: (c) => c.createBackup(),
  backups: (c) => c.backups({ limit: 1, cursor: "c" }),
  backup: (c) => c.backup("bak_1"),
  backupContent: (c) => c.backupContent("bak_1", 0),
  deletions: (c) => c.deletions("2026-01-01T00:00:00Z"),
  openRestore: (c) => c.openRestore({}),
  putRestorePart: (c) => c.putRestorePart("res_1", 1, new Uint8Array(1), "AA=="),
  completeRestore: (c) => c.completeRestore("res_1"),
  enableRestoredKeys: (c) => c.enableRestoredKeys("res_1", "ws_1"),
};

async function sentBy(make: (client: DevFlowClient) => Promise<unknown>): Promise<Sent> {
  let sent: Sent | null = null;
  const client = new DevFlowClient({
    url: "http://localhost",
    key: "k",
    retries: 0,
    fetch: async (input, init) => {
      const url = new URL(String(input));
      const body =
        typeof init?.body === "string" && url.pathname !== "/v1/files" ? JSON.parse(init.body) : null;
      sent = { method: init?.method ?? "GET", path: url.pathname, query: [...url.searchParams.keys()], body };
      return new Response('event: done\ndata: {"name":"done"}\n\n');
    },
  });
  await make(client).catch(() => {});
  if (sent === null) throw new Error("nothing was sent");
  return sent;
}

describe("the client", () => {
  it.each(Object.entries(CALLS))("%s is a call of the OpenAPI document", async (_, make) => {
    const sent = await sentBy(make);
    const operation = operationOf(sent);
    expect(operation, `${sent.method} ${sent.path}`).toBeDefined();
    const known =
      operation?.parameters?.filter(({ in: where }) => where === "query").map(({ name }) => name) ?? [];
    expect(sent.query.filter((name) => !known.includes(name))).toEqual([]);
    const fields = fieldsOf(operation?.requestBody?.content["application/json"]?.schema);
    expect(Object.keys(sent.body ?? {}).filter((name) => !fields.includes(name))).toEqual([]);
  });

  it("has a test here for each of its calls", () => {
    const client = new DevFlowClient({ url: "http://localhost", key: null });
    const prototype = Object.getOwnPropertyNames(DevFlowClient.prototype);
    const calls = [...Object.keys(client), ...prototype].filter(
      (name) => !["constructor", "transport", "url"].includes(name),
    );
    expect(calls.filter((name) => !(name in CALLS))).toEqual([]);
  });
});
