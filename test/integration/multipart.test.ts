import { describe, expect, it } from "vitest";
import { call, newWorkspace } from "../support/api.ts";
import { finishedJob, jobFilesOf, storedPaths, type TestJob } from "../support/jobs.ts";

const TYPE = "multipart/form-data; boundary=XX";

/** A part as it stands on the wire; `disposition` is what follows `form-data`. */
const part = (disposition: string, content = "x\n") =>
  `--XX\r\nContent-Disposition: form-data${disposition}\r\n\r\n${content}\r\n`;
const file = (name: string, content?: string) => part(`; name="files"; filename="${name}"`, content);
const END = "--XX--\r\n";

async function post(key: string, raw: BodyInit, type = TYPE, query = "") {
  const headers = { "content-type": type };
  const response = await call("POST", `/v1/files${query}`, { key, raw, headers });
  const body = await response.json<{ job: TestJob | null; code: string; detail: string }>();
  return { status: response.status, ...body };
}

describe("POST /v1/files with multipart/form-data", () => {
  it("stores what FormData sends, then finds it unchanged", async () => {
    const { key } = await newWorkspace();
    const form = () => {
      const data = new FormData();
      data.append("files", new File(["a\n"], "src/a.ts"));
      data.append("files", new File(["b\n"], "src/日本語 “q”.md"));
      return new Response(data);
    };
    const send = async () => {
      const { headers, body } = form();
      return post(
        key,
        await new Response(body).arrayBuffer(),
        headers.get("content-type") ?? "",
        "?path=lib",
      );
    };
    const first = await send();
    expect(first).toMatchObject({ status: 202, job: { kind: "upload", files: { total: 2 } } });
    expect(await storedPaths(key)).toEqual(["lib/src/a.ts", "lib/src/日本語 “q”.md"]);
    expect(await finishedJob(key, first.job?.id ?? "")).toMatchObject({ status: "succeeded" });
    expect(await send()).toMatchObject({ status: 200, job: null });
  });

  it("skips single files with their reasons, and takes the rest", async () => {
    const { key } = await newWorkspace();
    const body = [
      file("ok.ts"),
      file("ok.ts"),
      file("../up.ts"),
      file("/abs.ts"),
      file("win\\dows.ts"),
      file("C:\\\\x.ts"),
      file("empty.ts", ""),
      file("nul.bin", "a\0b"),
      file("line%0Abreak.ts"),
      part("; name=files; filename*=UTF-8''na%C3%AFve.ts"),
      part("; name=files; filename*=UTF-8''%FF.ts"),
      file('say \\"hi\\".ts'),
      file("100%.ts"),
      END,
    ].join("");
    const { status, job } = await post(key, body);
    expect(status).toBe(202);
    expect(job?.files).toMatchObject({ total: 13, skipped: 9 });
    const reasons = (await jobFilesOf(key, job?.id ?? "")).flatMap(({ reason }) => reason ?? []);
    expect(reasons.toSorted()).toEqual(
      ["duplicate", "empty", "binary", ...Array(6).fill("invalid_path")].toSorted(),
    );
    expect(await storedPaths(key)).toEqual([
      "100%.ts",
      "empty.ts",
      "naïve.ts",
      "nul.bin",
      "ok.ts",
      'say "hi".ts',
    ]);
  });

  it("finishes a job of skipped files alone at once", async () => {
    const { key } = await newWorkspace();
    const { status, job } = await post(key, file("../up.ts") + END);
    expect(status).toBe(202);
    expect(job).toMatchObject({ status: "succeeded", files: { total: 1, done: 1, skipped: 1 } });
  });

  it.each([
    ["no boundary", file("a") + END, "multipart/form-data"],
    ["an empty boundary", file("a") + END, 'multipart/form-data; boundary=""'],
    ["a foreign boundary", file("a") + END, "multipart/form-data; boundary=YY"],
    ["a truncated body", file("a") + file("b"), TYPE],
    ["an empty body", "", TYPE],
    ["no field name", part('; filename="a"') + END, TYPE],
    ["another field", part('; name="other"; filename="a"') + END, TYPE],
    ["no file name", part('; name="files"') + END, TYPE],
    ["a part without headers", `--XX\r\n\r\nx\r\n${END}`, TYPE],
    ["endless part headers", `--XX\r\n${"X: y\r\n".repeat(5000)}\r\nx\r\n${END}`, TYPE],
  ])("refuses %s, and stores nothing", async (_what, body, type) => {
    const { key } = await newWorkspace();
    const answer = await post(key, file("first.ts").repeat(0) + body, type);
    expect(answer).toMatchObject({ status: 400, code: "invalid_request" });
    expect(await storedPaths(key)).toEqual([]);
  });

  it("takes 1,000 files, not one more", async () => {
    const { key } = await newWorkspace();
    const body = Array.from({ length: 1000 }, (_, i) => file(`f${i}.ts`, "")).join("");
    expect(await post(key, `${body}${file("one-more.ts", "")}${END}`)).toMatchObject({
      status: 413,
      code: "payload_too_large",
    });
    expect(await storedPaths(key)).toEqual([]);
    expect(await post(key, body + END)).toMatchObject({ status: 202, job: { files: { total: 1000 } } });
  });

  it("answers 413 past 32 MiB, counted while it streams", async () => {
    const { key } = await newWorkspace();
    const head = new TextEncoder().encode(
      '--XX\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n',
    );
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(sent++ === 0 ? head : new Uint8Array(1024 * 1024));
      },
    });
    expect(await post(key, endless as unknown as BodyInit)).toMatchObject({
      status: 413,
      code: "payload_too_large",
    });
    expect(sent).toBeLessThan(40);
  });

  it("refuses other media types and a folder that breaks the rules", async () => {
    const { key } = await newWorkspace();
    for (const type of [
      "application/json",
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/mixed; boundary=XX",
    ]) {
      expect((await post(key, "{}", type)).status).toBe(415);
    }
    expect(await post(key, file("a") + END, TYPE, "?path=a/../b")).toMatchObject({
      status: 400,
      code: "invalid_path",
    });
  });
});
