import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SECRET_RULES } from "../../src/core/find-secrets.ts";
import { call, newWorkspace, type TestWorkspace } from "../support/api.ts";
import { tarGz } from "../support/archives.ts";
import { eventually } from "../support/indexing.ts";
import { finishedJob, jobFilesOf, type TestJob } from "../support/jobs.ts";
import { newKey } from "../support/keys.ts";

/** Made up, and put together here, so that no scanner of this repository finds it. */
const VALUE = ["ghp", "aB3dE5gH7jK9mN1pQaB3dE5gH7jK9mN1pQaB"].join("_");
const SECRET_FILE = `line one\nconst token = "${VALUE}";\n`;

let printed: string[] = [];
beforeEach(() => {
  printed = [];
  for (const method of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, method).mockImplementation((...parts: unknown[]) => {
      printed.push(parts.map(String).join(" "));
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface FileAnswer {
  file: { status: string; skip_reason: string | null; error: string | null; sha256: string };
  job: TestJob | null;
}

async function put(key: string, path: string, text: string, query = "") {
  const response = await call("PUT", `/v1/files?path=${path}${query}`, { key, raw: text });
  return { status: response.status, body: await response.json<FileAnswer & { code: string }>() };
}

function parts(files: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, text] of Object.entries(files)) form.append("files", new Blob([text]), name);
  return form;
}

async function eventsOf({ key }: TestWorkspace, type: string) {
  const ask = async () => {
    const response = await call("GET", `/v1/security_events?type=${type}`, { key });
    return (await response.json<{ items: { count: number; detail: Record<string, string> }[] }>()).items;
  };
  return eventually(ask, (items) => items.length > 0);
}

async function texts(key: string): Promise<string> {
  const response = await call("POST", "/v1/search", {
    key,
    body: { query: "const token", mode: "lexical", limit: 50 },
  });
  return response.text();
}

/** All that is kept of the workspace outside its index: rows of every table, and R2 objects. */
async function kept({ id }: TestWorkspace): Promise<string> {
  const tables = ["files", "jobs", "job_files", "security_events", "idempotency", "blob_garbage"];
  const rows = await Promise.all(tables.map((name) => env.DB.prepare(`SELECT * FROM ${name}`).all()));
  const { objects } = await env.BLOBS.list({ prefix: `ws/${id}/` });
  const bodies = await Promise.all(objects.map(async ({ key }) => (await env.BLOBS.get(key))?.text()));
  return JSON.stringify([rows.map(({ results }) => results), bodies]);
}

describe("secrets in uploads", () => {
  it("are skipped with line and rule on every way in, and their values are nowhere", async () => {
    const workspace = await newWorkspace();
    const { key } = workspace;
    const single = await put(key, "put.ts", SECRET_FILE);
    expect(single.status).toBe(200);
    expect(single.body.job).toBeNull();
    expect(single.body.file).toMatchObject({ status: "skipped", skip_reason: "secret_detected" });
    expect(single.body.file.error).toMatch(/line 2 \(@secretlint\/secretlint-rule-github: /);

    const form = await call("POST", "/v1/files?path=form", {
      key,
      raw: parts({ "a.ts": SECRET_FILE, "good.ts": "export const token = read();\n" }),
    });
    const archive = await tarGz([
      ["a.ts", SECRET_FILE],
      ["good.ts", "export const token = load();\n"],
    ]);
    const headers = { "content-type": "application/gzip", "content-length": `${archive.length}` };
    const packed = await call("POST", "/v1/files?path=tar", { key, raw: archive, headers });
    for (const [folder, response] of Object.entries({ form, tar: packed })) {
      const { job } = await response.json<{ job: TestJob }>();
      expect(await finishedJob(key, job.id)).toMatchObject({ status: "succeeded", files: { skipped: 1 } });
      const [found] = (await jobFilesOf(key, job.id)).filter(({ path }) => path === `${folder}/a.ts`);
      expect(found).toMatchObject({ status: "skipped", reason: "secret_detected" });
      expect(found?.message).toMatch(/line 2/);
    }

    const content = await call("GET", "/v1/files/content?path=put.ts", { key });
    expect(content.status).toBe(404);
    const results = await texts(key);
    expect(results).toContain("form/good.ts");
    expect(results).not.toContain("a.ts");
    const events = await eventsOf(workspace, "secret_detected");
    expect(events[0]?.detail).toMatchObject({ rules: "github" });
    expect(JSON.stringify(events)).not.toContain("put.ts");
    expect(await kept(workspace)).not.toContain(VALUE.slice(4, 24));
    expect(printed.join("\n")).not.toContain(VALUE.slice(4, 24));
  });

  it("take an older version out of the index, and come back once the secret is out", async () => {
    const { key } = await newWorkspace();
    const first = await put(key, "app.ts", "const token = clean();\n");
    await finishedJob(key, first.body.job?.id ?? "");
    expect(await texts(key)).toContain("clean()");
    expect((await put(key, "app.ts", SECRET_FILE)).body.file.skip_reason).toBe("secret_detected");
    expect(await texts(key)).not.toContain("clean()");
    const third = await put(key, "app.ts", "const token = again();\n");
    expect(third.status).toBe(202);
    await finishedJob(key, third.body.job?.id ?? "");
    expect(await texts(key)).toContain("again()");
  });

  it("are let through by allow_secrets for who has admin, told of as an event, and stay so while unchanged", async () => {
    const workspace = await newWorkspace();
    const { key } = workspace;
    const indexer = await newKey(key, { name: "ci", scopes: ["index"] });
    const refused = await put(indexer.key ?? "", "a.ts", SECRET_FILE, "&allow_secrets=true");
    expect(refused).toMatchObject({ status: 403, body: { code: "insufficient_scope" } });
    const form = await call("POST", "/v1/files?allow_secrets=true", {
      key: indexer.key ?? "",
      raw: parts({ "a.ts": SECRET_FILE }),
    });
    expect(form.status).toBe(403);
    expect((await put(key, "a.ts", SECRET_FILE, "&allow_secrets=yes")).status).toBe(400);

    const allowed = await put(key, "a.ts", SECRET_FILE, "&allow_secrets=true");
    expect(allowed.status).toBe(202);
    await finishedJob(key, allowed.body.job?.id ?? "");
    expect(await texts(key)).toContain("a.ts");
    expect((await eventsOf(workspace, "secret_override"))[0]).toMatchObject({ detail: { upload: "put" } });

    // The same content at the same path is the admin's decision still; elsewhere, or changed, it is not.
    const again = await put(indexer.key ?? "", "a.ts", SECRET_FILE);
    expect(again).toMatchObject({ status: 200, body: { file: { status: "indexed" } } });
    expect((await put(key, "b.ts", SECRET_FILE)).body.file.skip_reason).toBe("secret_detected");
    const forced = await call("POST", "/v1/index", { key, body: { force: true } });
    const { job } = await forced.json<{ job: TestJob }>();
    expect(await finishedJob(key, job.id)).toMatchObject({ status: "succeeded" });
    expect(await texts(key)).toContain("a.ts");
    const changed = await put(key, "a.ts", `${SECRET_FILE}\n`);
    expect(changed.body.file.skip_reason).toBe("secret_detected");
  });

  it("are found in what was stored before the rules were, when it is indexed again: its content goes", async () => {
    const workspace = await newWorkspace();
    const { key, id } = workspace;
    const stored = await put(key, "old.ts", SECRET_FILE, "&allow_secrets=true");
    await finishedJob(key, stored.body.job?.id ?? "");
    // As an earlier version left it.
    await env.DB.prepare("UPDATE files SET secret_scan = 'secretlint-1.0.0' WHERE workspace_id = ?")
      .bind(id)
      .run();
    const forced = await call("POST", "/v1/index", { key, body: { force: true } });
    const { job } = await forced.json<{ job: TestJob }>();
    await finishedJob(key, job.id);
    const [file] = await jobFilesOf(key, job.id);
    expect(file).toMatchObject({ path: "old.ts", status: "skipped", reason: "secret_detected" });
    expect(await texts(key)).not.toContain("old.ts");
    expect((await call("GET", "/v1/files/content?path=old.ts", { key })).status).toBe(404);
    const { results } = await env.DB.prepare("SELECT stored_bytes FROM workspaces WHERE id = ?")
      .bind(id)
      .all();
    expect(results).toEqual([{ stored_bytes: 0 }]);
    const info = await call("GET", "/v1/files/info?path=old.ts", { key });
    expect(await info.json()).toMatchObject({ status: "skipped", error: expect.stringContaining("line 2") });
  });

  it("are searched for once: what was accepted under the present rules is not searched again", async () => {
    const { key, id } = await newWorkspace();
    const { body } = await put(key, "a.ts", "const a = 1;\n");
    await finishedJob(key, body.job?.id ?? "");
    const { results } = await env.DB.prepare("SELECT secret_scan FROM files WHERE workspace_id = ?")
      .bind(id)
      .all();
    expect(results).toEqual([{ secret_scan: SECRET_RULES }]);
  });

  it("cost nothing to send again: no job, and the row as it was", async () => {
    const { key } = await newWorkspace();
    const send = async (files: Record<string, string>) => {
      const response = await call("POST", "/v1/files", { key, raw: parts(files) });
      return { status: response.status, ...(await response.json<{ job: TestJob | null }>()) };
    };
    const first = await send({ "a.ts": SECRET_FILE, "good.ts": "export const good = 1;\n" });
    expect(first.status).toBe(202);
    await finishedJob(key, first.job?.id ?? "");
    const again = await send({ "a.ts": SECRET_FILE, "good.ts": "export const good = 1;\n" });
    expect(again).toMatchObject({ status: 200, job: null });
    const counted = async () =>
      (await eventsOf({ key } as TestWorkspace, "secret_detected")).map(({ count }) => count);
    expect(await counted()).toEqual([1]);
    // What is skipped anew is told of in a job.
    const other = await send({ "a.ts": `${SECRET_FILE}// more\n`, "good.ts": "export const good = 1;\n" });
    expect(other.status).toBe(202);
    expect(await jobFilesOf(key, other.job?.id ?? "")).toContainEqual(
      expect.objectContaining({ path: "a.ts", reason: "secret_detected" }),
    );
  });

  it("that an admin let through stay so where a sync renames the file", async () => {
    const { key } = await newWorkspace();
    const allowed = await put(key, "old/fixture.ts", SECRET_FILE, "&allow_secrets=true");
    expect(allowed.status).toBe(202);
    await finishedJob(key, allowed.body.job?.id ?? "");
    const { sha256 } = allowed.body.file;
    const files = [{ path: "new/fixture.ts", sha256, size: SECRET_FILE.length }];
    const planned = await call("POST", "/v1/syncs", { key, body: { files } });
    const plan = await planned.json<{ id: string; renamed: object[] }>();
    expect(plan.renamed).toEqual([{ from: "old/fixture.ts", to: "new/fixture.ts" }]);
    const committed = await call("POST", `/v1/syncs/${plan.id}/commit`, {
      key,
      body: { delete_missing: true },
    });
    const { job } = await committed.json<{ job: TestJob }>();
    expect((await finishedJob(key, job.id)).status).toBe("succeeded");
    const row = await env.DB.prepare(
      "SELECT path, status, secret_scan FROM files WHERE sha256 = ? AND path LIKE 'new/%'",
    )
      .bind(sha256)
      .first();
    expect(row).toEqual({ path: "new/fixture.ts", status: "indexed", secret_scan: "allowed" });
  });
});
