import { env } from "cloudflare:workers";
import { gunzipSync } from "node:zlib";
import { unpackTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { EXPORT_KEPT_MS, exportContent } from "../../src/files/export.ts";
import { finishDeletions } from "../../src/files/finish-deletions.ts";
import { runExport } from "../../src/files/run-export.ts";
import { call, newWorkspace } from "../support/api.ts";
import { acceptFiles, services } from "../support/indexing.ts";
import { finishedJob, type TestJob } from "../support/jobs.ts";
import { newKey } from "../support/keys.ts";

const LONG = `${"a-folder-with-a-long-name/".repeat(12)}überlänge-文件.ts`;

async function begin(key: string): Promise<string> {
  const response = await call("POST", "/v1/exports", { key });
  expect(response.status).toBe(202);
  const { job } = await response.json<{ job: TestJob }>();
  expect(response.headers.get("location")).toBe(`/v1/jobs/${job.id}`);
  return job.id;
}
const content = (key: string, id: string) => call("GET", `/v1/exports/${id}/content`, { key });

/** Path → text of what the archive holds, as `tar xzf` unpacks it. */
async function unpacked(response: Response): Promise<Map<string, string>> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect(response.headers.get("content-length")).toBe(String(bytes.length));
  const entries = await unpackTar(new Uint8Array(gunzipSync(bytes)));
  return new Map(entries.map(({ header, data }) => [header.name, new TextDecoder().decode(data)]));
}

describe("POST /v1/exports", () => {
  it("packs every stored file and the metadata of all, over several parts", async () => {
    const { id: workspaceId, key } = await newWorkspace("exported");
    const many = Object.fromEntries(
      Array.from({ length: 505 }, (_, i) => [`many/${i}.ts`, `const n = ${i};\n`]),
    );
    await acceptFiles(services(), workspaceId, { ...many, [LONG]: "// ünï\n" });
    const binary = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0, 0, 1]);
    expect((await call("PUT", "/v1/files?path=tool.bin", { key, raw: binary })).status).toBe(200);
    const id = await begin(key);
    expect(await finishedJob(key, id)).toMatchObject({ status: "succeeded", receipt: { files: 506 } });
    const response = await content(key, id);
    expect(response.headers.get("content-type")).toBe("application/gzip");
    const entries = await unpacked(response);
    expect(entries.get("files/many/504.ts")).toBe("const n = 504;\n");
    expect(entries.get(`files/${LONG}`)).toBe("// ünï\n");
    expect([...entries.keys()].filter((name) => name.startsWith("files/"))).toHaveLength(506);
    expect(JSON.parse(entries.get("manifest.json") ?? "")).toMatchObject({
      format: "devflow-export",
      version: 1,
      workspace: { id: workspaceId, name: "exported" },
      files: 506,
    });
    const lines = [...entries].filter(([name]) => name.startsWith("metadata/files-"));
    expect(lines.length).toBeGreaterThan(1);
    const rows = lines.flatMap(([, text]) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    );
    expect(rows).toHaveLength(507);
    expect(rows.find(({ path }) => path === "tool.bin")).toMatchObject({
      status: "skipped",
      skip_reason: "binary",
    });
    expect(entries.get("metadata/keys.ndjson")).not.toMatch(/digest|dvf_\w{20}/);
    const events = await call("GET", "/v1/security_events?type=export", { key });
    expect(await events.json()).toMatchObject({ items: [{ detail: { job_id: id } }] });
  });

  it("exports an empty workspace, writes each part once, and keeps it for a day", async () => {
    const { id: workspaceId, key } = await newWorkspace();
    const id = await begin(key);
    await finishedJob(key, id);
    const deps = services();
    // The queue delivers at least once.
    await runExport(deps, { kind: "export", workspaceId, jobId: id });
    const first = await unpacked(await content(key, id));
    expect([...first.keys()]).toEqual(["metadata/keys.ndjson", "manifest.json"]);
    const stored = async () =>
      (await env.BLOBS.list({ prefix: `ws/${workspaceId}/exports/` })).objects.length;
    expect(await stored()).toBe(1);
    const now = Date.now();
    await finishDeletions({ ...deps, now: () => now + EXPORT_KEPT_MS - 60_000 });
    expect(await stored()).toBe(1);
    await finishDeletions({ ...deps, now: () => now + EXPORT_KEPT_MS + 60_000 });
    expect(await stored()).toBe(0);
    await expect(exportContent(deps, workspaceId, id)).rejects.toMatchObject({ code: "not_found" });
    expect((await content(key, id)).status).toBe(404);
  });

  it("is for admins, gives no other job's, and none that is not finished", async () => {
    const { id: workspaceId, key } = await newWorkspace();
    const reader = await newKey(key, { scopes: ["search", "index", "ask"] });
    expect((await call("POST", "/v1/exports", { key: reader.key })).status).toBe(403);
    const insert = env.DB.prepare(
      `INSERT INTO jobs (id, workspace_id, kind, status, spec, expanded, created_at, updated_at)
       VALUES (?, ?, ?, 'paused', '{}', 0, 1, 1)`,
    );
    await insert.bind(`job_open_${workspaceId}`, workspaceId, "export").run();
    await insert.bind(`job_index_${workspaceId}`, workspaceId, "index").run();
    expect((await content(key, `job_open_${workspaceId}`)).status).toBe(409);
    expect((await content(key, `job_index_${workspaceId}`)).status).toBe(404);
    const done = await begin(key);
    await finishedJob(key, done);
    expect((await content(reader.key, done)).status).toBe(403);
    expect((await content((await newWorkspace()).key, done)).status).toBe(404);
  });
});
