import type { ChunkFilter, StoredChunk, WorkspaceIndex } from "../core/ports.ts";
import { lastName, type Searches } from "./question.ts";
import { type Region, regionOf } from "./source.ts";

export interface RetrieveDeps {
  index: Pick<WorkspaceIndex, "findSymbols" | "chunks" | "fileChunks">;
  /** Searches the workspace. */
  find(query: FindQuery): Promise<Found>;
}

export interface Found {
  /** Best first. */
  chunks: StoredChunk[];
  /** Whether the search had to do without meaning: the vector store or the embedder is down. */
  degraded: boolean;
}

export interface FindQuery {
  text: string;
  mode: "hybrid" | "lexical";
  path: string | null;
  limit: number;
}

/** Found for one search. More than the sources that are shown: several of a file become one. */
const DEPTH = 20;
/** Definitions of one name: more have the same name by chance. */
const DEFINITIONS = 3;
/**
 * Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009), Σ weight / (K + rank). K is far below the paper's 60, since
 * lists here are short and their first places count.
 */
const K = 10;
const WEIGHTS = { question: 1, part: 0.6, definition: 0.9 };
/** Sources that are made longer by what stands beside them. */
const EXTENDED = 4;
/** Files of which so much text is shown whole; of longer ones, what answers the question best. */
const WHOLE_FILE_CHARACTERS = 12_000;
const MANY = 400;
const LAST_LINE = 2 ** 31;

/** All searches side by side, fused: best first. */
export async function retrieve(deps: RetrieveDeps, searches: Searches, path: string | null): Promise<Found> {
  const [definitions, ...found] = await Promise.all([
    definitionsOf(deps, searches.identifiers, path),
    ...searches.texts.map((text) => deps.find({ text, mode: "hybrid", path, limit: DEPTH })),
  ]);
  const chunks = fused([
    ...found.map((one, i) => ({ chunks: one.chunks, weight: i === 0 ? WEIGHTS.question : WEIGHTS.part })),
    { chunks: definitions, weight: WEIGHTS.definition },
  ]);
  return { chunks, degraded: found.some(({ degraded }) => degraded) };
}

/** Chunks that define exactly these names. */
export async function definitionsOf(
  deps: Pick<RetrieveDeps, "index">,
  names: readonly string[],
  path: string | null,
): Promise<StoredChunk[]> {
  if (names.length === 0) return [];
  const filter: ChunkFilter = { path, languages: [], extensions: [], kinds: [] };
  const hits = await Promise.all(
    names.map((name) => deps.index.findSymbols(lastName(name), null, filter, DEFINITIONS)),
  );
  const ids = hits.flatMap((list) => list.filter(({ match }) => match === "exact").map(({ id }) => id));
  return ids.length === 0 ? [] : deps.index.chunks([...new Set(ids)]);
}

export function fused(lists: { chunks: StoredChunk[]; weight: number }[]): StoredChunk[] {
  const scores = new Map<string, { chunk: StoredChunk; score: number }>();
  for (const { chunks, weight } of lists) {
    for (const [i, chunk] of chunks.entries()) {
      const entry = scores.get(chunk.id) ?? { chunk, score: 0 };
      entry.score += weight / (K + i + 1);
      scores.set(chunk.id, entry);
    }
  }
  return [...scores.values()].sort((a, b) => b.score - a.score).map(({ chunk }) => chunk);
}

/**
 * What stands beside the best chunks in their files, where their definition goes on there, or where they were cut by
 * lines and so begin and end anywhere. One call.
 */
export async function neighboursOf(
  deps: Pick<RetrieveDeps, "index">,
  best: readonly StoredChunk[],
): Promise<Region[]> {
  const wanted = best.slice(0, EXTENDED);
  if (wanted.length === 0) return [];
  const ranges = wanted.map(({ path, startLine, endLine }) => ({
    path,
    startLine: Math.max(1, startLine - 1),
    endLine: endLine + 1,
  }));
  const beside = await deps.index.fileChunks(ranges, 8);
  return wanted.flatMap((chunk, i) =>
    (beside[i] ?? [])
      .filter((one) => one.id !== chunk.id && one.symbol === chunk.symbol && one.parent === chunk.parent)
      .map(regionOf),
  );
}

/**
 * What of the files that came with the question is shown: all of a short one, the chunks that answer best of a long
 * one. Files that the index does not hold are named.
 */
export async function contextOf(
  deps: RetrieveDeps,
  question: string,
  files: readonly string[],
): Promise<{ chunks: StoredChunk[]; missing: string[] }> {
  if (files.length === 0) return { chunks: [], missing: [] };
  const ranges = files.map((path) => ({ path, startLine: 1, endLine: LAST_LINE }));
  const all = await deps.index.fileChunks(ranges, MANY);
  const chunks = await Promise.all(
    files.map(async (path, i) => {
      const whole = all[i] ?? [];
      if (whole.reduce((sum, { text }) => sum + text.length, 0) <= WHOLE_FILE_CHARACTERS) return whole;
      const { chunks } = await deps.find({ text: question, mode: "lexical", path, limit: 4 });
      return chunks.length > 0 ? chunks : whole.slice(0, 4);
    }),
  );
  return { chunks: chunks.flat(), missing: files.filter((_, i) => (all[i] ?? []).length === 0) };
}
