import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BYTES_PER_TOKEN, CHUNK_BYTES } from "../src/files/estimate.ts";

/** The arithmetic of `docs/scale.md`: `npm run scale` writes its tables; `--files` and `--workspaces` print others. */

const PAGE = join(resolve(import.meta.dirname, ".."), "docs/scale.md");
const [BEGIN, END] = ["<!-- npm run scale: begin -->\n", "<!-- npm run scale: end -->\n"];
const GB = 1e9;
const MILLION = 1e6;

/** Per unit. `measured`: see docs/performance.md. `estimate`: what syncs are estimated with. `assumed`: nobody measured. */
export const UNITS = {
  /** measured: 8,105 chunks of 332 files. */
  chunksPerFile: 8105 / 332,
  /** estimate */
  tokensPerChunk: CHUNK_BYTES.long / BYTES_PER_TOKEN,
  /** estimate */
  bytesPerChunk: CHUNK_BYTES.long,
  /** assumed: a row of `files` with its three indexes, and one of `job_files` with its two. */
  d1BytesPerFile: 1100,
  /** assumed: the text, its two full-text indexes, symbols and rows, in multiples of the text. */
  indexBytesPerByte: 5,
  /** assumed: rows that one chunk writes in its index object. */
  indexRowsPerChunk: 8,
  /** 1,536 numbers of four bytes, and metadata (assumed: 300 bytes). */
  vectorBytes: 1536 * 4 + 300,
  /** assumed */
  searchesPerWorkspaceAndDay: 20,
  /** Calls of Durable Objects: the address's limiter, the key's, the index. */
  objectCallsPerSearch: 3,
};

/** Limits of one D1 database, one Durable Object, one Chroma collection; prices in dollars (docs/deploy.md: sources). */
const LIMITS = { d1Bytes: 10 * GB, objectBytes: 10 * GB, collectionRecords: 5 * MILLION };
const PRICES = {
  embeddingPerMillionTokens: 0.02,
  r2PerGb: 0.015,
  d1PerGb: { included: 5, price: 0.75 },
  objectPerGb: { included: 5, price: 0.2 },
  objectRowsWritten: { included: 50, price: 1 },
  objectRequests: { included: 1, price: 0.15 },
  workerRequests: { included: 10, price: 0.3 },
};

export function scale(files: number, workspaces: number) {
  const chunks = files * UNITS.chunksPerFile;
  const bytes = chunks * UNITS.bytesPerChunk;
  const indexBytes = bytes * UNITS.indexBytesPerByte;
  const d1Bytes = files * UNITS.d1BytesPerFile;
  const searches = workspaces * UNITS.searchesPerWorkspaceAndDay * 30;
  const beyond = (amount: number, { included, price }: { included: number; price: number }) =>
    Math.max(0, amount - included) * price;
  return {
    sizes: {
      "R2: blobs": bytes,
      "D1: files and job_files": d1Bytes,
      "WorkspaceIndex, all": indexBytes,
      "WorkspaceIndex, each": indexBytes / workspaces,
      "Chroma: vectors": chunks * UNITS.vectorBytes,
    },
    chunks,
    searchesPerSecond: searches / 30 / 86_400,
    once: {
      "embedding (text-embedding-3-small)":
        ((chunks * UNITS.tokensPerChunk) / MILLION) * PRICES.embeddingPerMillionTokens,
      "rows of indexes": beyond((chunks * UNITS.indexRowsPerChunk) / MILLION, PRICES.objectRowsWritten),
    },
    monthly: {
      R2: (bytes / GB) * PRICES.r2PerGb,
      D1: beyond(d1Bytes / GB, PRICES.d1PerGb),
      "indexes, stored": beyond(indexBytes / GB, PRICES.objectPerGb),
      "Worker requests": beyond(searches / MILLION, PRICES.workerRequests),
      "Durable Object requests": beyond(
        (searches * UNITS.objectCallsPerSearch) / MILLION,
        PRICES.objectRequests,
      ),
    },
    /** Files at which each limit is met. */
    limits: {
      "D1, all workspaces": LIMITS.d1Bytes / UNITS.d1BytesPerFile,
      "Chroma collection, one workspace": LIMITS.collectionRecords / UNITS.chunksPerFile,
      "WorkspaceIndex, one workspace":
        LIMITS.objectBytes / (UNITS.chunksPerFile * UNITS.bytesPerChunk * UNITS.indexBytesPerByte),
    },
  };
}

/** The tables, in Markdown. */
export function scaleTables(files: number, workspaces: number): string {
  const result = scale(files, workspaces);
  const table = (head: string, rows: Record<string, number>, form: (value: number) => string) =>
    [
      head,
      "| --- | --- |",
      ...Object.entries(rows).map(([name, value]) => `| ${name} | ${form(value)} |`),
    ].join("\n");
  const size = (bytes: number) =>
    bytes < GB ? `${(bytes / MILLION).toFixed(1)} MB` : `${(bytes / GB).toFixed(1)} GB`;
  const dollars = (value: number) => `$${value.toFixed(2)}`;
  const count = (value: number) => Math.round(value).toLocaleString("en-US");
  return [
    `${count(files)} files in ${count(workspaces)} workspaces: ${count(result.chunks)} chunks, ` +
      `${result.searchesPerSecond.toFixed(1)} searches a second on average.`,
    table("| store | size |", result.sizes, size),
    table("| once | cost |", result.once, dollars),
    table("| each month | cost |", result.monthly, dollars),
    table("| limit | met at so many files |", result.limits, count),
    "",
  ].join("\n\n");
}

/** The page with its tables as they are computed now. */
export function scalePage(page: string): string {
  const [from, to] = [page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)];
  return `${page.slice(0, from)}\n${scaleTables(1_000_000, 10_000)}${page.slice(to)}`;
}

if (import.meta.main) {
  const option = (name: string) => Number(process.argv[process.argv.indexOf(`--${name}`) + 1]);
  if (process.argv.includes("--files")) console.log(scaleTables(option("files"), option("workspaces") || 1));
  else writeFileSync(PAGE, scalePage(readFileSync(PAGE, "utf8")));
}
