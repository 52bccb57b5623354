import type { Chunk } from "../core/chunk.ts";

/**
 * The text that is embedded for a chunk: where it stands, then the code with its identifiers taken apart, as people
 * ask in words (`getUserByName` → `get User By Name`). Measured with all-MiniLM-L6-v2 on doc comments of TypeScript:
 * MRR@10 40 raw, 46 with identifiers split; the path in front adds 2 to the fused ranking.
 * A change here makes new embeddings: vectors are reused by the hash of this text.
 */
export function embeddedText(path: string, chunk: Pick<Chunk, "symbol" | "parent" | "text">): string {
  const name = [chunk.parent, chunk.symbol].filter((part) => part !== null).join(" ");
  const header = spaced(path.replaceAll("/", " ").replaceAll(".", " "));
  return `${header}${name === "" ? "" : `: ${spaced(name)}`}\n${spaced(compact(chunk.text))}`;
}

/** Splits identifiers at their humps, underscores and digits, and leaves everything else as it is. */
function spaced(text: string): string {
  return text
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1 $2")
    .replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1 $2")
    .replaceAll(/(?<=[\p{L}\p{N}])_+(?=[\p{L}\p{N}])/gu, " ");
}

/** Indentation carries nothing for an embedding: runs of blanks become one, blank lines go. */
function compact(text: string): string {
  return text
    .replaceAll(/[^\S\n]+/gu, " ")
    .replaceAll(/\n(?: ?\n)+/g, "\n")
    .trim();
}
