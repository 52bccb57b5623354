import type { ChunkKind } from "./chunk.ts";
import { extensionOf } from "./languages.ts";
import type { VectorFilter } from "./ports.ts";

/** Chroma takes 32 metadata keys; three are others. Deeper paths are told apart at this depth only. */
const MAX_DEPTH = 24;

/**
 * What searches filter vectors by. Chroma knows equality only, so a path is stored once for each prefix of whole
 * segments: `d1` = `src`, `d2` = `src/http`, `d3` = `src/http/app.ts`. The file itself is its own last prefix: one
 * equality selects a file or a folder, without knowing which of them the path names.
 */
export function metadataOf(path: string, language: string, kind: ChunkKind): Record<string, string> {
  const metadata: Record<string, string> = { language, kind, extension: extensionOf(path) };
  prefixes(path).forEach((prefix, i) => {
    metadata[`d${i + 1}`] = prefix;
  });
  return metadata;
}

/**
 * The filter that selects a file or what lies below a folder. Where `exact` is false the path is deeper than the
 * keys go: the filter selects its ancestor at that depth, and the caller drops what lies elsewhere.
 */
export function pathFilter(path: string): { filter: VectorFilter; exact: boolean } {
  const stored = prefixes(path);
  const last = stored.at(-1) ?? path;
  return { filter: { key: `d${stored.length}`, anyOf: [last] }, exact: last === path };
}

/** `a/b/c` → `a`, `a/b`, `a/b/c`, no more than `MAX_DEPTH`. */
function prefixes(path: string): string[] {
  const out: string[] = [];
  for (let at = path.indexOf("/"); at >= 0 && out.length < MAX_DEPTH; at = path.indexOf("/", at + 1)) {
    out.push(path.slice(0, at));
  }
  if (out.length < MAX_DEPTH) out.push(path);
  return out;
}
