import type { Chunk } from "../core/chunk.ts";
import { spaceIdentifiers } from "../core/identifiers.ts";

/** UTF-16 units of a signature that are embedded: some 30 tokens. */
const SIGNATURE_CHARACTERS = 120;

/**
 * The text that is embedded for a chunk: where it stands, then the code with its identifiers taken apart, as people
 * ask in words (`getUserByName` → `get User By Name`). Measured with all-MiniLM-L6-v2 on doc comments of TypeScript:
 * MRR@10 40 raw, 46 with identifiers split; the path in front adds 2 to the fused ranking, and the
 * signature, also in front of the later parts of a long function, 1.6 (docs/chunking.md).
 * A change here makes new embeddings: vectors are reused by the hash of this text.
 */
export function embeddedText(
  path: string,
  chunk: Pick<Chunk, "symbol" | "parent" | "signature" | "text">,
): string {
  const name = [chunk.parent, chunk.symbol].filter((part) => part !== null).join(" ");
  const header = spaceIdentifiers(path.replaceAll("/", " ").replaceAll(".", " "));
  const head = `${header}${name === "" ? "" : `: ${spaceIdentifiers(name)}`}`;
  const signature = chunk.signature?.slice(0, SIGNATURE_CHARACTERS) ?? "";
  return `${head}\n${spaceIdentifiers(signature === "" ? "" : `${signature}\n`)}${spaceIdentifiers(compact(chunk.text))}`;
}

/** Indentation carries nothing for an embedding: runs of blanks become one, blank lines go. */
function compact(text: string): string {
  return text
    .replaceAll(/[^\S\n]+/gu, " ")
    .replaceAll(/\n(?: ?\n)+/g, "\n")
    .trim();
}
