import { DOC_CHARACTERS } from "../../core/chunk.ts";
import { truncate } from "./truncate.ts";

/** The text of comments without their markers (`//`, `///`, `#`, `--`, block comments, `<!-- -->`); null where none is left. */
export function docText(comments: readonly string[]): string | null {
  const lines = comments.flatMap((comment) => plainLines(comment.trim()));
  return bounded(lines);
}

/** A docstring as it stands in the source, with its quotes and prefix. */
export function docstringText(literal: string): string | null {
  const inner = literal
    .trim()
    .replace(/^[a-zA-Z]{0,2}("""|'''|"|')/, "")
    .replace(/("""|'''|"|')$/, "");
  return bounded(inner.split("\n").map((line) => line.trim()));
}

function plainLines(comment: string): string[] {
  const block = /^(?:\/\*[*!]*|<!--|\{-|\(\*)/.exec(comment);
  if (block === null) {
    return comment
      .replace(/^#!.*/, "")
      .split("\n")
      .map((line) => line.trim().replace(/^(?:\/\/[/!]?|#+!?|--+|;+)\s?/, ""));
  }
  return comment
    .slice(block[0].length)
    .replace(/(?:\*+\/|-->|-\}|\*\))$/, "")
    .split("\n")
    .map((line) => line.trim().replace(/^\*+(?:\s|$)/, ""));
}

/** Lines become one text: blank lines keep paragraphs apart, rules of dashes go. */
function bounded(lines: string[]): string | null {
  const text = lines
    .map((line) => line.trim())
    .filter((line) => line === "" || /[\p{L}\p{N}]/u.test(line))
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
  return text === "" ? null : truncate(text, DOC_CHARACTERS);
}
