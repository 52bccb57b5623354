import { slices } from "../core/bounded.ts";
import { BudgetExhaustedError } from "../core/budget.ts";
import type { Embedder, Embeddings, PlannedWrite, Vector, VectorRecord } from "../core/ports.ts";
import { estimateTokens } from "../core/tokens.ts";
import { metadataOf } from "../core/vector-metadata.ts";
import type { LeasedVectors } from "./leased-vectors.ts";
import type { ChunkToIndex, SourceToIndex } from "./read-sources.ts";

/** Vectors that one group of files holds in memory at once: 300 of 1,536 numbers are 4 MB, and as many again in and out. */
const WINDOW = 300;

/** A chunk with the id that the index gave it, and where its vector comes from. */
export interface ChunkWrite {
  source: SourceToIndex;
  chunk: ChunkToIndex;
  planned: PlannedWrite;
}

/** What the vectors of one file cost. */
export interface VectorCost {
  embedded: number;
  reused: number;
  tokens: number;
}

/**
 * Brings the vectors of all files of a message into the collection: those of known text are copied, the others
 * embedded in full batches across files. Vectors that are said to stand are looked up, and embedded where they are gone:
 * the collection may be another one than when they were written. With `verify` they are also read, and written again
 * with their metadata.
 * @returns the cost by path; files whose vectors all stand cost nothing.
 */
export async function writeVectors(
  deps: { embedder: Embedder; vectors: LeasedVectors },
  collectionId: string,
  writes: readonly ChunkWrite[],
  options: { verify: boolean },
): Promise<Map<string, VectorCost>> {
  const costs = new Map<string, VectorCost>();
  const costOf = (path: string) => {
    const cost = costs.get(path) ?? { embedded: 0, reused: 0, tokens: 0 };
    costs.set(path, cost);
    return cost;
  };

  const toEmbed: ChunkWrite[] = [];
  const toCopy: ChunkWrite[] = [];
  const kept: ChunkWrite[] = [];
  for (const write of writes) {
    const { vector } = write.planned;
    if (vector === "embed") toEmbed.push(write);
    else if (vector === "copy" || options.verify) toCopy.push(write);
    else kept.push(write);
  }

  for (const window of slices(kept, WINDOW)) {
    const found = await deps.vectors.existing(
      collectionId,
      window.map(({ planned }) => planned.id),
    );
    for (const write of window) {
      if (found.has(write.planned.id)) costOf(write.source.path).reused += 1;
      else toEmbed.push(write);
    }
  }

  for (const window of slices(toCopy, WINDOW)) {
    const found = await deps.vectors.get(collectionId, window.map(donorOf));
    const copies: VectorRecord[] = [];
    for (const write of window) {
      const vector = found.get(donorOf(write));
      // A donor that went away since the plan was made.
      if (vector === undefined) toEmbed.push(write);
      else {
        copies.push(recordOf(write, vector));
        costOf(write.source.path).reused += 1;
      }
    }
    await deps.vectors.upsert(collectionId, copies);
  }

  const windows = [...slices(toEmbed, WINDOW)];
  for (let window = windows.shift(); window !== undefined; window = windows.shift()) {
    const unique = firstOfEachText(window);
    const embeddings = await embedOrHalve(deps.embedder, [...unique.keys()]);
    if (embeddings === "halve") {
      const middle = Math.ceil(window.length / 2);
      windows.unshift(window.slice(0, middle), window.slice(middle));
      continue;
    }
    const { vectors, tokens } = embeddings;
    const records = window.map((write) => {
      const vector = vectors[unique.get(write.chunk.embeddedText) ?? -1];
      if (vector === undefined) throw new Error("the embedder gave fewer vectors than texts");
      return recordOf(write, vector);
    });
    await deps.vectors.upsert(collectionId, records);
    shareTokens(window, tokens, (path, share) => {
      const cost = costOf(path);
      cost.embedded += 1;
      cost.tokens += share;
    });
  }
  return costs;
}

/**
 * A budget that is not enough for all may be enough for some: each half is stored before the next is paid for, and
 * found by whoever comes again.
 */
async function embedOrHalve(embedder: Embedder, texts: string[]): Promise<Embeddings | "halve"> {
  try {
    return await embedder.embed(texts);
  } catch (error) {
    if (error instanceof BudgetExhaustedError && texts.length > 1) return "halve";
    throw error;
  }
}

function donorOf({ planned }: ChunkWrite): string {
  return planned.donorId ?? planned.id;
}

function recordOf({ source, chunk, planned }: ChunkWrite, vector: Vector): VectorRecord {
  return { id: planned.id, vector, metadata: metadataOf(source.path, source.language, chunk.kind) };
}

/** Text → its place in the request: a text that occurs twice is paid for once. */
function firstOfEachText(writes: readonly ChunkWrite[]): Map<string, number> {
  const places = new Map<string, number>();
  for (const { chunk } of writes) {
    if (!places.has(chunk.embeddedText)) places.set(chunk.embeddedText, places.size);
  }
  return places;
}

/** The provider counts tokens for a request; files get theirs by estimate, in whole tokens that add up. */
function shareTokens(
  writes: readonly ChunkWrite[],
  tokens: number,
  take: (path: string, share: number) => void,
): void {
  const weights = writes.map(({ chunk }) => estimateTokens(chunk.embeddedText));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  let given = 0;
  writes.forEach(({ source }, i) => {
    before += weights[i] ?? 0;
    const upTo = total === 0 ? tokens : Math.round((tokens * before) / total);
    take(source.path, upTo - given);
    given = upTo;
  });
}
