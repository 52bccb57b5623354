import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config.ts";
import { createLogger } from "../../src/core/log.ts";
import { indexMessages } from "../../src/core/messages.ts";
import { consume } from "../../src/queue.ts";
import { createIsolate, createServices } from "../../src/services.ts";
import { newWorkspace, type TestWorkspace } from "../support/api.ts";
import { appWith } from "../support/app.ts";
import { acceptFiles, services } from "../support/indexing.ts";
import { type Guard, guardPlatform, PLATFORM, type Used } from "../support/platform-guard.ts";

/** What the local runtime does not enforce, counted on the largest work that one invocation is given. */

let guard: Guard | null = null;
afterEach(() => guard?.stop());

/** Of the paid plan; our own aim is far below, so that what is added does not pass it unseen. */
const CONSUMER_SUBREQUESTS = 1_000;
const UPLOAD_SUBREQUESTS = 1_100;

function expectWithin(used: Used): void {
  for (const [name, most] of Object.entries(PLATFORM)) {
    expect(used[name as keyof typeof PLATFORM], name).toBeLessThanOrEqual(most);
  }
}

async function consumed(bodies: unknown[]): Promise<Used> {
  guard = guardPlatform();
  const parsed = parseConfig(guard.env as unknown as Record<string, unknown>);
  if (!parsed.ok) throw new Error("settings");
  const context = createExecutionContext();
  const using = createServices(
    guard.env,
    parsed.config,
    createLogger("error", () => {}),
    (work) => context.waitUntil(work),
    createIsolate(parsed.config, undefined, 0),
  );
  const messages = bodies.map((body, i) => ({ id: `m${i}`, timestamp: new Date(), attempts: 1, body }));
  const batch = createMessageBatch("devflow-indexing-bulk", messages);
  await consume(using, batch);
  expect((await getQueueResult(batch, context)).retryMessages).toEqual([]);
  guard.stop();
  return guard.used;
}

async function accepted({ id }: TestWorkspace, contents: Record<string, string>) {
  const { jobId, files } = await acceptFiles(services(), id, contents);
  const sized = files.map((file) => ({ ...file, size: contents[file.path]?.length ?? 0 }));
  return { jobId, messages: indexMessages(id, jobId, sized, { bulk: true }) };
}

describe("one invocation of the consumer", () => {
  it("keeps within the platform's bounds for ten messages of fifty files", { timeout: 90_000 }, async () => {
    const workspace = await newWorkspace();
    const file = (i: number) => `export function part${i}(rows: number[]) { return rows[${i}]; }\n`;
    const files = (from: number, to: number) =>
      Object.fromEntries(
        Array.from({ length: to - from }, (_, i) => [`src/p${from + i}.ts`, file(from + i)]),
      );
    const first = await consumed((await accepted(workspace, files(0, 50))).messages);
    const { messages } = await accepted(workspace, files(50, 550));
    expect(messages).toHaveLength(10);
    const used = await consumed(messages);
    const last = await consumed((await accepted(workspace, files(550, 600))).messages);
    console.log(`50, 500 and 50 files: ${JSON.stringify([first, used, last])}`);
    // As many for a file, however many there are and stand already.
    for (const count of ["subrequests", "statements"] as const) {
      expect(used[count]).toBeLessThanOrEqual(10 * first[count]);
      expect(last[count]).toBeLessThanOrEqual(first[count]);
    }
    expectWithin(used);
    expect(used.subrequests).toBeGreaterThan(500);
    expect(used.subrequests).toBeLessThanOrEqual(CONSUMER_SUBREQUESTS);
  });

  it("keeps within them for the largest file: 1 MiB in one line, and of the widest characters", {
    timeout: 90_000,
  }, async () => {
    const workspace = await newWorkspace();
    const { messages } = await accepted(workspace, {
      "line.txt": "word ".repeat(60_000),
      "wide.md": "情報を検索する。".repeat(12_000),
    });
    expectWithin(await consumed(messages));
    const { WORKSPACE_INDEX } = env as unknown as Env;
    const stub = WORKSPACE_INDEX.get(WORKSPACE_INDEX.idFromName(workspace.id));
    const [row] = await runInDurableObject(stub, (_instance, state) =>
      state.storage.sql
        .exec<{ chunks: number; most: number }>(
          `SELECT count(*) AS chunks, max(octet_length(text) + coalesce(octet_length(doc), 0)
             + coalesce(octet_length(signature), 0)) AS most FROM chunks`,
        )
        .toArray(),
    );
    expect(row?.chunks).toBeGreaterThan(100);
    expect(row?.most).toBeLessThan(PLATFORM.valueBytes / 100);
  });
});

describe("one request", () => {
  it("keeps within them for a thousand files of the longest paths", { timeout: 90_000 }, async () => {
    const { key } = await newWorkspace();
    const form = new FormData();
    const folder = `${"folder-of-sixteen/".repeat(50)}`;
    for (let i = 0; i < 1_000; i++) {
      const path = `${folder}${String(i).padStart(4, "0")}${"x".repeat(100)}.ts`;
      form.append("files", new Blob([`export const n${i} = ${i};\n`]), path);
    }
    guard = guardPlatform();
    const app = appWith({}, guard.env as unknown as Record<string, unknown>);
    const response = await app.quick("/v1/files", {
      method: "POST",
      body: form,
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(202);
    guard.stop();
    console.log(`1,000 files of 1,000 bytes of path: ${JSON.stringify(guard.used)}`);
    expectWithin(guard.used);
    expect(guard.used.subrequests).toBeLessThanOrEqual(UPLOAD_SUBREQUESTS);
  });
});
