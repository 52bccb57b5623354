import type { ChunkPlace, ScannedChunk } from "../core/ports.ts";
import { estimateTokens } from "../core/tokens.ts";
import { nextTurn } from "../core/turn.ts";
import type { Highlight } from "./highlight.ts";
import { compilePattern, type PatternOptions } from "./pattern.ts";
import { cursorScope, type SearchDeps, type SearchQuery, type SearchResult } from "./search.ts";
import { stateOf } from "./vector-leg.ts";

export interface PatternQuery extends Omit<SearchQuery, "mode" | "verbatim"> {
  options: PatternOptions;
}

/** Text that one answer scans at most, in UTF-16 units: some seconds of a Worker's time at the slowest. */
const MAX_SCANNED = 16 * 1024 * 1024;
/** … and steps of the engine, one for each unit and instruction of the program: three seconds at some 90 million each. */
const MAX_STEPS = 2 ** 28;
/** Others get a turn after so many: the engine would hold all of an isolate up. */
const STEPS_OF_A_TURN = 2 ** 22;
/** Text of one call of the index. */
const PAGE_CHARACTERS = 2 * 1024 * 1024;

/** Where the last result stood: its chunk, and the last match in it, which the next chunk may repeat. */
type Position = [path: string, ordinal: number, line: number, column: number];

/**
 * Chunks that a regular expression matches, by path and line; highlights are the matches. The index object only
 * gives candidates (by trigrams); the engine runs here, where it holds nobody else up. Chunks overlap: one whose
 * matches all stood in the chunk before it is not told again.
 * Round trips: one D1 batch, and one call of the index for each 2 MiB of candidates, 16 MiB at most: then
 * `truncated` is set, and the cursor goes on.
 * @param maxScanned UTF-16 units that one answer scans, 1 and up; a chunk may exceed it.
 * Errors: `unsupported_pattern`, `invalid_cursor`.
 */
export async function searchPattern(
  deps: SearchDeps,
  workspaceId: string,
  query: PatternQuery,
  maxScanned: number = MAX_SCANNED,
): Promise<SearchResult> {
  const pattern = compilePattern(query.text, query.options);
  const { caseSensitive, multiline } = query.options;
  const scope = await cursorScope(workspaceId, { ...query, mode: `regex ${caseSensitive} ${multiline}` });
  const from = query.cursor === null ? null : ((await deps.cursors.open(scope, query.cursor)) as Position);
  const index = deps.workspaceIndex(workspaceId);
  const state = stateOf(deps, workspaceId);
  state.catch(() => {});

  const page = new Page(query, from);
  const budget = Math.min(maxScanned, MAX_STEPS / pattern.size);
  let scanned = 0;
  let steps = 0;
  let after: ChunkPlace | null = from === null ? null : { path: from[0], ordinal: from[1] };
  let totals = { files: 0, updatedAtMs: null as number | null };
  scan: for (;;) {
    const asked = {
      match: pattern.match,
      filter: query.filter,
      after,
      characters: Math.min(PAGE_CHARACTERS, budget),
    };
    const candidates = await deps.measure("lexical", () => index.scan(asked));
    totals = candidates;
    for (const chunk of candidates.chunks) {
      if (scanned > 0 && scanned + chunk.text.length > budget) {
        page.stopBefore(after);
        break scan;
      }
      scanned += chunk.text.length;
      steps += chunk.text.length * pattern.size;
      if (steps > STEPS_OF_A_TURN) {
        steps = 0;
        await nextTurn();
      }
      if (page.add(chunk, pattern.matchesIn(chunk.text)) === "full") break scan;
      after = { path: chunk.path, ordinal: chunk.ordinal };
    }
    if (!candidates.more) break;
  }
  const { pending } = await state;
  return {
    found: page.found,
    nextCursor: page.next === null ? null : await deps.cursors.sign(scope, page.next),
    truncated: page.truncated,
    index: { files: totals.files, pendingFiles: pending, updatedAtMs: totals.updatedAtMs },
    degraded: [],
    reranked: null,
  };
}

/** Results as they come, until the page is full and one more is known to follow. */
class Page {
  readonly found: SearchResult["found"] = [];
  /** Where the next page begins. */
  next: Position | null = null;
  truncated = false;
  readonly #limit: number;
  readonly #maxTokens: number | null;
  #tokens = 0;
  /** The last match that was told. */
  #told: Position | null;

  constructor({ limit, maxTokens }: PatternQuery, from: Position | null) {
    this.#limit = limit;
    this.#maxTokens = maxTokens;
    this.#told = from;
  }

  add(chunk: ScannedChunk, highlights: Highlight[]): "full" | "open" {
    const last = highlights.at(-1);
    if (last === undefined) return "open";
    const position: Position = [chunk.path, chunk.ordinal, ...placeOf(chunk, last.start)];
    // The pieces of one long line are no repetition of each other.
    const piece = chunk.startLine === chunk.endLine;
    if (this.#told !== null && !piece && !isBehind(position, this.#told)) return "open";
    const tokens = this.#maxTokens === null ? 0 : Math.ceil(estimateTokens(chunk.text));
    const fits = this.#maxTokens === null || this.#tokens + tokens <= this.#maxTokens;
    if (this.found.length === this.#limit || (!fits && tokens <= (this.#maxTokens ?? 0))) {
      this.next = this.#told;
      this.truncated ||= !fits;
      return "full";
    }
    this.#told = position;
    if (!fits) {
      // No page has room for it.
      this.truncated = true;
      return "open";
    }
    this.#tokens += tokens;
    const { ordinal: _, ...stored } = chunk;
    this.found.push({ chunk: stored, score: 1, ranks: { vector: null, lexical: null }, highlights });
    return "open";
  }

  /** The scan ends here for now; the next page goes on behind the chunk that was scanned last. */
  stopBefore(after: ChunkPlace | null): void {
    this.truncated = true;
    if (after === null) return;
    const [line, column] = this.#told?.[0] === after.path ? [this.#told[2], this.#told[3]] : [0, 0];
    this.next = [after.path, after.ordinal, line, column];
  }
}

/** Line of the file and column, from 0, of an offset in the chunk's text. */
function placeOf({ startLine, text }: ScannedChunk, offset: number): [number, number] {
  let line = startLine;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) {
    line++;
    start = at + 1;
  }
  return [line, offset - start];
}

/** Whether the match stands in another file, or further down in the same. */
function isBehind([path, , line, column]: Position, [toldPath, , toldLine, toldColumn]: Position): boolean {
  return path !== toldPath || line > toldLine || (line === toldLine && column > toldColumn);
}
