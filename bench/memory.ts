import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { freePort } from "../scripts/stack/ports.ts";
import { listProcesses } from "../scripts/stack/processes.ts";
import { startStack } from "../scripts/stack/start-stack.ts";
import { Client, type Job } from "./client.ts";
import { type HeapUsage, Inspected } from "./inspected.ts";
import { replaySettings, startReplayEmbedder } from "./replay-embedder.ts";

/**
 * `node bench/memory.ts [--files 10000] [--megabytes 50] [--seconds 3600] [--heap 72] [--log FILE]`: the isolate's peak
 * memory while it unpacks and indexes one archive; after so many seconds it tells how far it came. The archive is a tar.gz that is not
 * compressed, so that it is as large as its files; one file in five is code, the others are prose; vectors have 1,536
 * numbers, from a server that replays.
 * What is read, every 20 ms over the inspector's protocol: V8's `Runtime.getHeapUsage` of the isolate, which is that of
 * the Worker and of all its Durable Objects: its JavaScript heap and what buffers and WebAssembly hold beside it.
 * A Worker may have 128 MB of both together. V8 leaves garbage lie for as long as it has room, and locally it has much:
 * so V8's heap is bounded to `--heap` MiB here, and the isolate would die if the work needed more.
 */
const { values } = parseArgs({
  options: {
    files: { type: "string", default: "10000" },
    megabytes: { type: "string", default: "50" },
    seconds: { type: "string", default: "3600" },
    heap: { type: "string", default: "72" },
    log: { type: "string" },
  },
});
const FILES = Number(values.files);
const FILE_BYTES = Math.floor((Number(values.megabytes) * 1e6) / FILES);
const DIMENSIONS = 1536;
const EVERY_MS = 20;
/** What is freed at once by a collection of garbage. */
const FREED_BYTES = 5e6;
const MB = 1e6;
const SOURCES = globSync("src/**/*.ts").map((path) => readFileSync(path, "utf8"));

process.env["MINIFLARE_WORKERD_V8_FLAGS"] = `--max-heap-size=${values.heap}`;
const folder = mkdtempSync(join(tmpdir(), "devflow-memory-"));
const inspectorPort = await freePort("127.0.0.1", 0);
const replay = await startReplayEmbedder({ dimensions: DIMENSIONS });
const stack = await startStack({
  stateFolder: folder,
  port: 0,
  inspectorPort,
  settings: {
    RATE_LIMIT_MULTIPLIER: "100000",
    LOG_LEVEL: "warning",
    ...replaySettings(replay.url, DIMENSIONS),
    EMBEDDING_MAX_TOKENS: "8191",
  },
});
try {
  const isolate = await Inspected.open(`ws://127.0.0.1:${inspectorPort}/devflow`);
  const client = new Client(stack.url, stack.apiKey);
  await client.json("GET", "/v1/stats");
  const atRest = await isolate.heapUsage();
  const rssAtRest = workerdBytes(folder);
  const tar = await packTar(Array.from({ length: FILES }, (_, i) => fileOf(i)));
  const archive = new Uint8Array(gzipSync(tar, { level: 0 }));
  console.log(`the archive has ${(archive.length / MB).toFixed(1)} MB; the isolate ${told(atRest)} at rest`);

  const samples: (HeapUsage & { at: number })[] = [];
  let peakRss = 0;
  const began = performance.now();
  let over = false;
  const sampling = (async () => {
    while (!over) {
      const usage = await isolate.heapUsage();
      samples.push({ at: performance.now() - began, ...usage });
      if (samples.length % 25 === 0) peakRss = Math.max(peakRss, workerdBytes(folder));
      await setTimeout(EVERY_MS);
    }
  })();
  const { job } = await send(archive);
  await client.finished(job.id, Number(values.seconds) * 1000).catch(() => {});
  const { status, files } = await client.json<Job>("GET", `/v1/jobs/${job.id}`);
  over = true;
  await sampling;
  const seconds = (performance.now() - began) / 1000;
  const { chunks } = await client.json<{ chunks: number }>("GET", "/v1/stats");
  const peak = samples.reduce((most, one) => (bytesOf(one) > bytesOf(most) ? one : most));
  console.log(`${status}: ${files.done} files, ${chunks} chunks in ${seconds.toFixed(0)} s`);
  const collected = samples.filter((one, i) => one.usedSize < (samples[i - 1]?.usedSize ?? 0) - FREED_BYTES);
  const kept = Math.max(0, ...collected.map(bytesOf));
  console.log(`just after a collection, of ${collected.length}: ${(kept / MB).toFixed(1)} MB at the most`);
  console.log(`with it, of ${samples.length} looks, at ${(peak.at / 1000).toFixed(0)} s: it ${told(peak)}`);
  console.log(
    `the process of workerd: ${(rssAtRest / MB).toFixed(0)} MB at rest, ${(peakRss / MB).toFixed(0)} MB at its peak`,
  );
  if (values.log !== undefined)
    writeFileSync(values.log, samples.map((one) => JSON.stringify(one)).join("\n"));
  isolate.close();
} finally {
  await stack.stop();
  replay.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function send(archive: Uint8Array<ArrayBuffer>): Promise<{ job: Job }> {
  const response = await fetch(`${stack.url}/v1/files`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.apiKey}`, "content-type": "application/gzip" },
    body: archive,
  });
  if (!response.ok) throw new Error(`POST /v1/files: ${response.status} ${await response.text()}`);
  return (await response.json()) as { job: Job };
}

/** One file in five is of this repository, in pieces; the others are its words, shuffled. */
function fileOf(i: number) {
  const text = SOURCES[i % SOURCES.length] ?? "";
  const code = i % 5 === 0;
  let content = code ? `export const part${i} = ${i};\n` : `Part ${i}.\n`;
  while (content.length < FILE_BYTES) content += code ? text : wordsOf(text, i + content.length);
  const body = new TextEncoder().encode(content.slice(0, FILE_BYTES));
  return { header: { name: `area${i % 20}/part${i}.${code ? "ts" : "txt"}`, size: body.length }, body };
}

/** A paragraph of words of the text, in an order that the seed gives. */
function wordsOf(text: string, seed: number): string {
  const words = text.match(/[a-z]{2,}/g) ?? ["word"];
  const picked = Array.from({ length: 90 }, (_, i) => words[(seed * 31 + i * 7919) % words.length]);
  return `${picked.join(" ")}.\n`;
}

function bytesOf({ usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0 }: HeapUsage): number {
  return usedSize + embedderHeapUsedSize + backingStorageSize;
}

function told(usage: HeapUsage): string {
  const { usedSize, totalSize, embedderHeapUsedSize = 0, backingStorageSize = 0 } = usage;
  const mb = (bytes: number) => `${(bytes / MB).toFixed(1)} MB`;
  const beside = `${mb(embedderHeapUsedSize + backingStorageSize)} beside it`;
  return `holds ${mb(bytesOf(usage))}: ${mb(usedSize)} of JavaScript (of ${mb(totalSize)} taken) and ${beside}`;
}

/** Resident bytes of workerd, all its isolates, D1 and R2 among them. Linux alone. */
function workerdBytes(stateFolder: string): number {
  const all = listProcesses();
  const server = all.find(
    ({ pid, group, command }) =>
      pid === group && command.includes("serve-worker.ts") && command.includes(stateFolder),
  );
  const sizes = all
    .filter(({ group, command }) => group === server?.group && command.includes("workerd"))
    .map(({ pid }) => {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
    });
  return Math.max(0, ...sizes);
}
