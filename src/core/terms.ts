import { ONE_WORD } from "./identifiers.ts";

/**
 * The words that full-text search knows text by. Index and queries both go through here, so that a term of one
 * is a term of the other. Identifiers are split into words (`getUserByName` → get user by name) and also kept
 * whole in a form that no naming convention changes (`getuserbyname`, for `get_user_by_name` too). Scripts that
 * write no spaces (Han, kana, Hangul) are cut into overlapping pairs.
 */

/** A word of the text: lower-cased, at UTF-16 offsets `start` (inclusive) to `end` (exclusive). */
export interface Word {
  word: string;
  start: number;
  end: number;
}

/** A run of letters, digits, `_` and `$`. */
export interface Token {
  words: Word[];
  /** All words joined, where there is more than one; else null. */
  whole: string | null;
  start: number;
  end: number;
}

/** Longer runs are data (base64, hashes of minified code), not names: they are cut to this many UTF-16 units. */
const LONGEST_TOKEN = 256;

const TOKEN = /[\p{L}\p{N}\p{M}_$]+/gu;
/** Between words of one identifier; the same boundaries as `splitIdentifier`. */
const BOUNDARY =
  /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})|(?=[_$])|(?<=[_$])/u;
const ASCII = /^[A-Za-z0-9_$]+$/;
/** The words that `BOUNDARY` leaves of an ASCII run, found in a third of the time. */
const ASCII_WORDS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+/g;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}ー々]/u;
const UNSPACED_RUNS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}ー々]+|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}ー々]+/gu;

/** The tokens of the text, in order. */
export function* tokensOf(text: string): Generator<Token> {
  for (const match of text.matchAll(TOKEN)) {
    const run = match[0].length > LONGEST_TOKEN ? match[0].slice(0, LONGEST_TOKEN) : match[0];
    const start = match.index;
    const words = wordsOf(run, start);
    if (words.length === 0) continue;
    const whole = words.length > 1 && !UNSPACED.test(run) ? words.map(({ word }) => word).join("") : null;
    yield { words, whole, start, end: start + run.length };
  }
}

function wordsOf(run: string, offset: number): Word[] {
  if (ONE_WORD.test(run)) return [{ word: run, start: offset, end: offset + run.length }];
  const words: Word[] = [];
  if (ASCII.test(run)) {
    for (const { 0: piece, index } of run.matchAll(ASCII_WORDS)) {
      const start = offset + index;
      words.push({ word: piece.toLowerCase(), start, end: start + piece.length });
    }
    return words;
  }
  let at = offset;
  for (const piece of run.split(BOUNDARY)) {
    if (UNSPACED.test(piece)) words.push(...pairsOf(piece, at));
    else if (/[\p{L}\p{N}]/u.test(piece)) {
      words.push({ word: piece.toLowerCase(), start: at, end: at + piece.length });
    }
    at += piece.length;
  }
  return words;
}

/** `検索機` → 検索, 索機; what stands between such runs is a word of its own. */
function pairsOf(piece: string, offset: number): Word[] {
  const words: Word[] = [];
  for (const match of piece.matchAll(UNSPACED_RUNS)) {
    const start = offset + match.index;
    const characters = UNSPACED.test(match[0]) ? [...match[0]] : [match[0]];
    let at = start;
    for (let i = 0; i < Math.max(1, characters.length - 1); i++) {
      const word = `${characters[i] ?? ""}${characters[i + 1] ?? ""}`;
      words.push({ word: word.toLowerCase(), start: at, end: at + word.length });
      at += characters[i]?.length ?? 0;
    }
  }
  return words;
}

/** The text as full-text search is to hold it: its words in order, then the whole forms of its identifiers. */
export function searchableText(text: string): string {
  const words: string[] = [];
  const wholes: string[] = [];
  for (const token of tokensOf(text)) {
    for (const { word } of token.words) words.push(word);
    if (token.whole !== null) wholes.push(token.whole);
  }
  return [...words, ...wholes].join(" ");
}
