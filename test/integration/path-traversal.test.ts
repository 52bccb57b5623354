import { describe, expect, inject, it } from "vitest";
import { checkPath } from "../../src/core/path.ts";
import { call, newWorkspace } from "../support/api.ts";
import { type TestEntry, tarGz } from "../support/archives.ts";
import { finishedJob, type TestJob } from "../support/jobs.ts";

const lists = (inject("traversalPaths" as never) ?? null) as unknown as string[] | null;
const OWN = [
  "../../etc/passwd",
  "..\\..\\windows\\win.ini",
  "%2e%2e%2f%2e%2e%2fetc/passwd",
  "%252e%252e%252f",
  "....//....//etc/passwd",
  "/etc/passwd",
  "C:\\boot.ini",
  "\\\\server\\share",
  "a/../../b",
  "./a",
  "a/.",
  "．．/．．/x",
  "..;/x",
  "\u202e../x",
  "..%c0%af",
  `${"../".repeat(400)}etc/passwd`,
  `a/${"b/".repeat(200)}c`,
  "x".repeat(3000),
  "CON",
  "nul.txt",
  "file.ts::$DATA",
];
const PATHS = [...new Set([...(lists ?? []), ...OWN])].filter((path) => path !== "");
/** What a path must be to be stored: a name that no resolution changes. */
const escapes = (path: string) =>
  new URL(path.split("/").map(encodeURIComponent).join("/"), "file:///root/").pathname !==
    `/root/${path.split("/").map(encodeURIComponent).join("/")}` ||
  path.split(/[/\\]/).includes("..") ||
  path.startsWith("/");

async function allStored(key: string): Promise<string[]> {
  const paths: string[] = [];
  for (let cursor = ""; ; ) {
    const response = await call("GET", `/v1/files?limit=100${cursor && `&cursor=${cursor}`}`, { key });
    const page = await response.json<{ items: { path: string }[]; next_cursor: string | null }>();
    paths.push(...page.items.map(({ path }) => path));
    if (page.next_cursor === null) return paths;
    cursor = page.next_cursor;
  }
}

/** Paths that the rules take, as they are stored: literally, in NFC. */
function taken(paths: string[]): string[] {
  return [
    ...new Set(
      paths.flatMap((raw) => {
        const checked = checkPath(raw);
        return checked.ok ? [checked.path] : [];
      }),
    ),
  ];
}

async function uploaded(key: string, raw: BodyInit, type: string, length: number): Promise<TestJob> {
  const headers = { "content-type": type, "content-length": `${length}` };
  const response = await call("POST", "/v1/files", { key, raw, headers });
  expect(response.status, await response.clone().text()).toBe(202);
  return await finishedJob(key, (await response.json<{ job: TestJob }>()).job.id);
}

describe("path traversal", () => {
  it("is tried with the public lists", ({ skip }) => {
    if (lists === null)
      skip("SKIPPED: ../shared/corpora/traversal is absent; a short list of our own is used");
    expect(PATHS.length).toBeGreaterThan(700);
  });

  it("through the query is refused by its rule, or stored as the literal name", async () => {
    const { key } = await newWorkspace();
    // As they are, and once encoded: what the server decodes once must not be decoded again.
    for (const path of PATHS.filter((_, i) => i % 8 === 0 || i >= PATHS.length - OWN.length)) {
      const response = await call("PUT", `/v1/files?path=${encodeURIComponent(path)}`, { key, raw: "" });
      const body = await response.json<{ file?: { path: string }; code?: string; detail?: string }>();
      const checked = checkPath(path);
      if (checked.ok) expect(body.file?.path, path).toBe(checked.path);
      else {
        expect([response.status, body.code], path).toEqual([400, "invalid_path"]);
        expect(body.detail).toMatch(/^Invalid file path: /);
      }
    }
    expect((await allStored(key)).filter(escapes)).toEqual([]);
  }, 60_000);

  it("through the query as it stands, undecoded, is never a 500", async () => {
    const { key } = await newWorkspace();
    for (const path of PATHS.filter((_, i) => i % 16 === 0)) {
      const response = await call("PUT", `/v1/files?path=${path.replaceAll(/[#&\s]/g, "")}`, {
        key,
        raw: "",
      });
      expect([200, 400], path).toContain(response.status);
    }
    expect((await allStored(key)).filter(escapes)).toEqual([]);
  }, 60_000);

  it("through the body of a deletion deletes nothing", async () => {
    const { key } = await newWorkspace();
    await call("PUT", "/v1/files?path=etc/passwd", { key, raw: "kept\n" });
    for (const path of PATHS.filter((_, i) => i % 8 === 0)) {
      const response = await call("POST", "/v1/files/delete", { key, body: { path, recursive: true } });
      expect([400, 404], path).toContain(response.status);
    }
    expect(await allStored(key)).toEqual(["etc/passwd"]);
  }, 60_000);

  it("through names of parts is skipped as invalid_path, or stored as the literal name", async () => {
    const { key } = await newWorkspace();
    const names = PATHS.filter((path) => !/["\r\n]|%(22|0A|0D)/i.test(path)).slice(-1000);
    const parts = names.map(
      (name) => `--XX\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\n\r\n\r\n`,
    );
    const body = new TextEncoder().encode(`${parts.join("")}--XX--\r\n`);
    const job = await uploaded(key, body, "multipart/form-data; boundary=XX", body.length);
    expect(job.files.total).toBe(names.length);
    const stored = await allStored(key);
    expect(stored.toSorted()).toEqual(taken(names).toSorted());
    expect(stored.filter(escapes)).toEqual([]);
  }, 60_000);

  it("through names in an archive is skipped as invalid_path, or stored as the literal name", async () => {
    const { key } = await newWorkspace();
    const names = PATHS.filter((path) => !path.endsWith("/") && !path.includes("\uFFFD"));
    const archive = await tarGz(names.map((name): TestEntry => [name, ""]));
    const job = await uploaded(key, archive, "application/gzip", archive.length);
    expect(job).toMatchObject({ status: "succeeded", files: { total: names.length } });
    const stored = await allStored(key);
    expect(stored.toSorted()).toEqual(taken(names.map((name) => name.replace(/^(?:\.\/+)+/, ""))).toSorted());
    expect(stored.filter(escapes)).toEqual([]);
  }, 60_000);
});
