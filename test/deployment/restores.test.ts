import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { emptyCounts, type Manifest, padding, TAR_END, tarHeader } from "../../src/backup/archive-format.ts";
import { forgetRestores, openRestore } from "../../src/backup/restore.ts";
import { restores } from "../../src/db/schema.ts";
import { call, newWorkspace, ROOT_KEY } from "../support/api.ts";
import { services } from "../support/indexing.ts";
import { finishedJob, type TestJob } from "../support/jobs.ts";
import { problemOf } from "../support/keys.ts";

const WORKSPACE = `ws_${"a".repeat(25)}`;
const KEY_ID = `key_${"b".repeat(25)}`;
const CONTENT = "export function restoredGreeting() {\n  return 'hello';\n}\n";
const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
const utf8 = (text: string) => new TextEncoder().encode(text);

/** A part with one workspace, one file and its bytes, as a backup writes it. */
function tarOfPart(): Uint8Array<ArrayBuffer> {
  const at = 1_700_000_000_000;
  const entries: [string, string][] = [
    ["d1/workspaces/1.jsonl", JSON.stringify({ id: WORKSPACE, name: "team", generation: 1, created_at: at })],
    [
      "d1/api_keys/2.jsonl",
      JSON.stringify({
        id: KEY_ID,
        workspace_id: WORKSPACE,
        name: "old",
        digest: "0".repeat(64),
        prefix: "dvf_00000000",
        scopes: '["search"]',
        bucket_id: KEY_ID,
        created_at: at,
      }),
    ],
    [`blobs/${WORKSPACE}/one`, CONTENT],
    [
      "d1/files/3.jsonl",
      JSON.stringify({
        workspace_id: WORKSPACE,
        path: "src/greet.ts",
        generation: 7,
        size: CONTENT.length,
        sha256: sha256(CONTENT),
        blob: "one",
        language: "typescript",
        status: "indexed",
        chunks: 1,
        updated_at: at,
      }),
    ],
  ];
  const chunks = entries.flatMap(([name, text]) => {
    const bytes = utf8(text);
    return [tarHeader(name, bytes.length, 0), bytes, padding(bytes.length)];
  });
  return new Uint8Array(Buffer.concat([...chunks, TAR_END]));
}

const plain = tarOfPart();
const counts = {
  ...emptyCounts(),
  rows: { workspaces: 1, api_keys: 1, files: 1 },
  blobs: 1,
  blobBytes: CONTENT.length,
};
const manifest: Manifest = {
  header: {
    format: "devflow-backup",
    version: 1,
    id: "bak_1",
    created_at: "2026-01-01T00:00:00.000Z",
    devflow: "0.1.0",
    recipients: ["age1x"],
  },
  parts: [
    {
      part: 1,
      bytes: 1,
      sha256: "0".repeat(64),
      plain_bytes: plain.length,
      plain_sha256: sha256(plain),
      counts,
    },
  ],
  counts,
};

const begin = (body: unknown) => call("POST", "/v1/restores", { key: ROOT_KEY, body });
const send = (id: string, part: number, raw: Uint8Array<ArrayBuffer>, digestOf = raw) =>
  call("PUT", `/v1/restores/${id}/parts/${part}`, {
    key: ROOT_KEY,
    raw,
    headers: {
      "content-type": "application/x-tar",
      "content-length": String(raw.length),
      "content-digest": `sha-256=:${createHash("sha256").update(digestOf).digest("base64")}:`,
    },
  });

describe("a restore into an empty deployment", () => {
  let id: string;
  beforeAll(async () => {
    const response = await begin(manifest);
    expect(response.status, await response.clone().text()).toBe(201);
    id = (await response.json<{ id: string }>()).id;
  });

  it("refuses what is not whole, and goes on where it was interrupted", async () => {
    const off = services({ RESTORE_ENABLED: "false" });
    await expect(openRestore(off, manifest)).rejects.toMatchObject({ code: "forbidden" });
    expect((await begin({ ...manifest, header: { ...manifest.header, version: 3 } })).status).toBe(400);
    const incomplete = { ...manifest, refers_to: [{ id: "bak_0", manifest_sha256: "0".repeat(64) }] };
    expect(await problemOf(await begin(incomplete))).toEqual([400, "invalid_request"]);
    expect((await begin({ ...manifest, counts: emptyCounts() })).status).toBe(400);

    const damaged = plain.slice();
    damaged[600] = (damaged[600] ?? 0) ^ 1;
    expect(await problemOf(await send(id, 1, damaged))).toEqual([400, "invalid_request"]);
    expect(await problemOf(await send(id, 1, damaged, plain))).toEqual([400, "invalid_request"]);
    expect((await send(id, 2, plain)).status).toBe(404);
    const complete = () => call("POST", `/v1/restores/${id}/complete`, { key: ROOT_KEY });
    expect(await (await complete()).json()).toMatchObject({ code: "conflict", missing: [1] });

    expect((await send(id, 1, plain)).status).toBe(204);
    // Begun again, it is the same one, and says what is there.
    expect(await (await begin(manifest)).json()).toMatchObject({ id, status: "receiving", received: [1] });
    const { job } = await (await complete()).json<{ job: TestJob }>();
    expect(await finishedJob(ROOT_KEY, job.id)).toMatchObject({
      status: "succeeded",
      receipt: { files: 1, blobs: 1, workspaces: 1 },
    });
    expect((await (await complete()).json<{ job: TestJob }>()).job.id).toBe(job.id);
  });

  it("brings back files that are found, and keys that open nothing before they are enabled", async () => {
    const made = await call("POST", `/v1/workspaces/${WORKSPACE}/keys`, {
      key: ROOT_KEY,
      body: { name: "new" },
    });
    const { key } = await made.json<{ key: string }>();
    const content = await call("GET", "/v1/files/content?path=src/greet.ts", { key });
    expect(await content.text()).toBe(CONTENT);
    const found = await call("POST", "/v1/search", { key, body: { query: "restored greeting" } });
    expect((await found.json<{ results: { path: string }[] }>()).results[0]?.path).toBe("src/greet.ts");

    const enable = () => call("POST", `/v1/restores/${id}/enable_keys`, { key: ROOT_KEY });
    expect(await (await enable()).json()).toEqual({ enabled: 1 });
    expect(await (await enable()).json()).toEqual({ enabled: 0 });
  });

  it("leaves nothing of one that was given up, two days later", async () => {
    const { db, blobs, now, ...rest } = services();
    const id = "rst_given_up";
    const row = { id, status: "receiving" as const, manifestSha256: "f".repeat(64), counts: emptyCounts() };
    await db.insert(restores).values({ ...row, createdAt: now() });
    const key = `restores/${id}/part-00001`;
    await blobs.put(key, "rows in the clear");
    const deps = { ...rest, db, blobs };
    expect(await forgetRestores({ ...deps, now })).toBe(0);
    expect(await blobs.head(key)).not.toBeNull();
    expect(await forgetRestores({ ...deps, now: () => now() + 49 * 3_600_000 })).toBe(1);
    expect(await blobs.head(key)).toBeNull();
  });

  it("is refused where there is a workspace already", async () => {
    await newWorkspace();
    const other = { ...manifest, header: { ...manifest.header, id: "bak_2" } };
    expect(await problemOf(await begin(other))).toEqual([409, "conflict"]);
  });
});
