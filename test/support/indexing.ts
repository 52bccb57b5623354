import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { parseConfig } from "../../src/config.ts";
import { sha256Hex } from "../../src/core/hash.ts";
import { newId } from "../../src/core/ids.ts";
import { languageOf } from "../../src/core/languages.ts";
import { createLogger } from "../../src/core/log.ts";
import { blobKey } from "../../src/db/blob-garbage.ts";
import { takeGeneration } from "../../src/db/collections.ts";
import { files, jobFiles, jobs } from "../../src/db/schema.ts";
import { createIsolate, createServices, type Services } from "../../src/services.ts";

/** Services as a queue batch has them, on the stores of the Worker under test. */
export function services(settings: Record<string, string> = {}): Services {
  const parsed = parseConfig({ ...env, ...settings } as unknown as Record<string, unknown>);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const context = createExecutionContext();
  const log = createLogger("error", () => {});
  const isolate = createIsolate(parsed.config, undefined, 0);
  return createServices(
    env as unknown as Env,
    parsed.config,
    log,
    (work) => context.waitUntil(work),
    isolate,
  );
}

/** Accepts files as an upload does, without indexing them; contents by path. */
export async function acceptFiles(
  deps: Services,
  workspaceId: string,
  contents: Record<string, string | Uint8Array>,
): Promise<{ jobId: string; files: { path: string; generation: number }[] }> {
  const [row] = await takeGeneration(deps.db, workspaceId);
  if (row === undefined) throw new Error("no such workspace");
  const { generation } = row;
  const now = Date.now();
  const jobId = newId("job");
  await deps.db.insert(jobs).values({
    id: jobId,
    workspaceId,
    kind: "upload",
    status: "queued",
    spec: {},
    expanded: true,
    createdAt: now,
    updatedAt: now,
  });
  for (const [path, content] of Object.entries(contents)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const blob = newId("req");
    await deps.blobs.put(blobKey(workspaceId, blob), bytes);
    const values = {
      workspaceId,
      path,
      generation,
      size: bytes.length,
      sha256: await sha256Hex(bytes),
      blob,
      language: languageOf(path),
      status: "pending" as const,
      updatedAt: now,
    };
    await deps.db
      .insert(files)
      .values(values)
      .onConflictDoUpdate({ target: [files.workspaceId, files.path], set: values });
    await deps.db.insert(jobFiles).values({ jobId, path, generation, status: "pending" });
  }
  return { jobId, files: Object.keys(contents).map((path) => ({ path, generation })) };
}

/** Asks until the answer will do; the last answer where none did within 20 s. */
export async function eventually<T>(ask: () => Promise<T>, enough: (value: T) => boolean): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const value = await ask();
    if (enough(value) || attempt === 200) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
