import { describe, expect, it } from "vitest";
import { call, newWorkspace } from "../support/api.ts";

interface Answer {
  file: {
    path: string;
    sha256: string;
    size: number;
    status: string;
    skip_reason: string | null;
    language: string;
  };
  job: { id: string; kind: string; status: string; files: Record<string, number> } | null;
  code: string;
  detail: string;
}

const put = async (key: string, path: string, raw: BodyInit, headers: Record<string, string> = {}) => {
  const response = await call("PUT", `/v1/files?path=${encodeURIComponent(path)}`, { key, raw, headers });
  return { status: response.status, headers: response.headers, body: await response.json<Answer>() };
};
const bytes = (...values: number[]) => new Uint8Array(values);

describe("PUT /v1/files", () => {
  it("stores a file, answers 202 with its job, and 200 when it comes again", async () => {
    const { key } = await newWorkspace();
    const first = await put(key, "src/Café.ts", "export const x = 1;\n");
    expect(first.status).toBe(202);
    expect(first.body.file).toMatchObject({
      path: "src/Café.ts",
      size: 20,
      language: "typescript",
      status: "pending",
      skip_reason: null,
    });
    expect(first.headers.get("etag")).toBe(`"${first.body.file.sha256}"`);
    expect(first.headers.get("location")).toBe(`/v1/jobs/${first.body.job?.id}`);
    expect(first.body.job).toMatchObject({ kind: "put", files: { total: 1 } });

    const again = await put(key, "src/Cafe\u0301.ts", "export const x = 1;\n");
    expect(again.status).toBe(200);
    expect(again.body.job).toBeNull();
    expect(again.body.file.path).toBe("src/Café.ts");
  });

  it.each([
    ["empty", new Uint8Array(0), "empty"],
    ["binary", bytes(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13), "binary"],
    ["UTF-32", bytes(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0), "unsupported_encoding"],
    ["over 1 MiB", "x".repeat(1024 * 1024 + 1), "too_large"],
  ])("skips what is %s, and says so again the next time", async (_what, raw, reason) => {
    const { key } = await newWorkspace();
    for (let i = 0; i < 2; i++) {
      const answer = await put(key, "a.bin", raw);
      expect(answer.status).toBe(200);
      expect(answer.body.job).toBeNull();
      expect(answer.body.file).toMatchObject({ status: "skipped", skip_reason: reason });
    }
    const content = await call("GET", "/v1/files/content?path=a.bin", { key });
    expect(content.status).toBe(404);
  });

  it.each([
    ["a line of a megabyte", "y".repeat(1024 * 1024)],
    ["Latin-1", bytes(0x2f, 0x2f, 0x20, 0x63, 0x61, 0x66, 0xe9, 0x0a)],
    ["UTF-16", bytes(0xff, 0xfe, 0x61, 0, 0x0a, 0)],
  ])("takes %s", async (_what, raw) => {
    const { key } = await newWorkspace();
    expect((await put(key, "a.txt", raw)).status).toBe(202);
  });

  it("answers 413 past 8 MiB, declared or counted", async () => {
    const { key } = await newWorkspace();
    const big = new Uint8Array(8 * 1024 * 1024 + 1);
    expect((await put(key, "a", big)).status).toBe(413);
    const streamed = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const answer = await put(key, "a", streamed as unknown as BodyInit);
    expect(answer).toMatchObject({ status: 413, body: { code: "payload_too_large" } });
  });

  it("names the broken rule of a path, and stores nothing", async () => {
    const { key } = await newWorkspace();
    for (const path of ["../x", "/x", "a\\b", "C:/x", "a/./b", "a//b", "", "a\0b", "x".repeat(2000)]) {
      const answer = await put(key, path, "x");
      expect(answer.status, path).toBe(400);
      expect(answer.body.code).toBe("invalid_path");
      expect(answer.body.detail).toMatch(/^Invalid file path: it /);
    }
    const raw = await call("PUT", "/v1/files?path=a%ff", { key, raw: "x" });
    expect((await raw.json<Answer>()).code).toBe("invalid_path");
    const list = await call("GET", "/v1/files", { key });
    expect(await list.json()).toEqual({ items: [], next_cursor: null });
  });

  it("refuses a missing path, an unknown field and no credential", async () => {
    const { key } = await newWorkspace();
    expect((await call("PUT", "/v1/files", { key, raw: "x" })).status).toBe(400);
    expect((await call("PUT", "/v1/files?path=a&force=1", { key, raw: "x" })).status).toBe(400);
    expect((await call("PUT", "/v1/files?path=a", { raw: "x" })).status).toBe(401);
  });

  it("keeps preconditions: If-Match, If-None-Match", async () => {
    const { key } = await newWorkspace();
    expect((await put(key, "a", "1", { "if-match": "*" })).status).toBe(412);
    const first = await put(key, "a", "1", { "if-none-match": "*" });
    expect(first.status).toBe(202);
    expect((await put(key, "a", "2", { "if-none-match": "*" })).status).toBe(412);
    expect((await put(key, "a", "2", { "if-match": '"0000"' })).status).toBe(412);
    expect((await put(key, "a", "2", { "if-match": `W/${first.headers.get("etag")}` })).status).toBe(412);
    expect((await put(key, "a", "2", { "if-match": "nonsense" })).status).toBe(400);
    const second = await put(key, "a", "2", { "if-match": `"0", ${first.headers.get("etag")}` });
    expect(second.status).toBe(202);
    expect((await put(key, "a", "2", { "if-match": first.headers.get("etag") ?? "" })).status).toBe(412);
  });

  it("lets exactly one of many creators win, and gives every version its own generation", async () => {
    const { key } = await newWorkspace();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => put(key, "race.ts", `const v = ${i};`, { "if-none-match": "*" })),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(7);
    const winner = answers.find(({ status }) => status === 202);
    const content = await call("GET", "/v1/files/content?path=race.ts", { key });
    expect(content.headers.get("etag")).toBe(winner?.headers.get("etag"));
  });

  it("answers 403 quota_exceeded for files and bytes, exactly at the limit and under a race", async () => {
    const { key } = await newWorkspaceWith({ max_files: 3, max_bytes: 100 });
    const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => put(key, `f${i}`, `${i}`)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3);
    const refused = answers.filter(({ status }) => status === 403);
    expect(refused).toHaveLength(3);
    expect(refused[0]?.body.code).toBe("quota_exceeded");
    const stored = answers.find(({ status }) => status === 202)?.body.file.path ?? "";
    expect((await put(key, stored, "x".repeat(99))).body.code).toBe("quota_exceeded");
    expect((await put(key, stored, "x".repeat(98))).status).toBe(202);
  });

  it("gives each workspace its own file of one path", async () => {
    const [mine, theirs] = [await newWorkspace(), await newWorkspace()];
    await put(mine.key, "a.ts", "mine");
    await put(theirs.key, "a.ts", "theirs");
    const content = await call("GET", "/v1/files/content?path=a.ts", { key: mine.key });
    expect(await content.text()).toBe("mine");
  });
});

async function newWorkspaceWith(limits: Record<string, number>) {
  const { ROOT_KEY } = await import("../support/api.ts");
  const response = await call("POST", "/v1/workspaces", {
    key: ROOT_KEY,
    body: { name: "limited", ...limits },
  });
  const { id, key } = await response.json<{ id: string; key: { key: string } }>();
  return { id, key: key.key };
}
