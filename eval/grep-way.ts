import { stemmer } from "stemmer";
import { STOP_WORDS } from "../src/search/stop-words.ts";
import type { SourceText } from "./labelled-set.ts";

/** What one call of a tool put before a model: what it was asked, and what it answered. */
export interface Read {
  asked: string;
  answered: string;
}

/** Whether a right file was among what was read. */
export interface Way {
  found: boolean;
  reads: Read[];
}

/** Longer lines are cut: no agent reads minified code to its end. */
const LINE_CHARACTERS = 300;

/**
 * The words of the question that an agent would grep for, each by its stem as it is written: `uploads` is looked for as
 * `upload`. Words of questions are left out.
 */
export function grepWords(question: string): string[] {
  const words = question.match(/[\p{L}\p{N}_$]{3,}/gu) ?? [];
  const stems = words
    .filter((word) => !STOP_WORDS.has(word.toLowerCase()))
    .map((word) => {
      // Porter writes `y` as `i`; a text is looked for, so only what both begin with will do.
      const stem = stemmer(word.toLowerCase()).replace(/i$/, "");
      let length = 0;
      while (length < stem.length && stem[length] === word[length]?.toLowerCase()) length++;
      return word.slice(0, Math.max(3, length));
    });
  return [...new Set(stems)];
}

/** What agents' shells show of an output. */
const OUTPUT_CHARACTERS = 30_000;

/**
 * `whole`: outputs are read as agents get them, whole up to 30,000 characters. `line`: reading ends within an output, at
 * the first line of a right file, as if it were known. `names`: the same over `grep -rliF`, the files' names alone.
 */
export type GrepReading = "whole" | "line" | "names";

/**
 * An agent with `grep -rniF WORD`, a word after the other, until a line of a right file has been read. All else is in
 * grep's favour: the rarest word comes first, as if that were known; no call is spent on a word that stands nowhere; and
 * the agent knows the right file among hundreds of lines when it sees it.
 */
export function grepWay(
  files: readonly SourceText[],
  question: string,
  relevant: ReadonlySet<string>,
  reading: GrepReading,
): Way {
  const names = reading === "names";
  const outputs = grepWords(question)
    .map((word) => ({ word, lines: matches(files, word, names) }))
    .filter(({ lines }) => lines.length > 0)
    .sort((a, b) => a.lines.length - b.lines.length);
  const reads: Read[] = [];
  for (const { word, lines } of outputs) {
    const shown = reading === "whole" ? withinOutput(lines) : lines;
    const end = shown.findIndex(({ path }) => relevant.has(path));
    const read = end < 0 || reading === "whole" ? shown : shown.slice(0, end + 1);
    reads.push({ asked: word, answered: read.map(({ text }) => text).join("\n") });
    if (end >= 0) return { found: true, reads };
  }
  return { found: false, reads };
}

function withinOutput<T extends { text: string }>(lines: readonly T[]): T[] {
  let characters = 0;
  return lines.filter(({ text }) => {
    characters += text.length + 1;
    return characters <= OUTPUT_CHARACTERS;
  });
}

function matches(files: readonly SourceText[], word: string, names: boolean) {
  const wanted = word.toLowerCase();
  return files.flatMap(({ path, text }) => {
    if (!text.toLowerCase().includes(wanted)) return [];
    if (names) return [{ path, text: path }];
    return text.split("\n").flatMap((line, i) => {
      if (!line.toLowerCase().includes(wanted)) return [];
      return [{ path, text: `${path}:${i + 1}:${line.slice(0, LINE_CHARACTERS)}` }];
    });
  });
}
