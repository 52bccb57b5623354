import { stemmer } from "stemmer";
import { tokensOf } from "../core/terms.ts";
import { STOP_WORDS } from "./stop-words.ts";

export interface LexicalQuery {
  /** An FTS5 expression, every term of it quoted; null where the text holds nothing to look for. */
  match: string | null;
  /** What the expression is a disjunction of, each with its stem; null for a phrase. */
  alternatives: { match: string; stem: string | null }[];
  /** Stems of the words and whole identifiers that are looked for: see `stemOf`. */
  stems: ReadonlySet<string>;
}

/** Alternatives of one expression. A longer query is a text rather than a question; its first terms stand for it. */
const MAX_TERMS = 96;

/**
 * What a user typed, as an FTS5 expression: any of its words, of its identifiers (taken apart and whole) and of its
 * "quoted phrases". BM25 sorts by how many, and how rare. Nothing of the text is read as syntax: only letters, digits
 * and marks reach the expression, and those within quotes.
 */
export function lexicalQuery(text: string): LexicalQuery {
  const words: string[] = [];
  const wholes: string[] = [];
  for (const token of tokensOf(text)) {
    for (const { word } of token.words) words.push(word);
    if (token.whole !== null) wholes.push(token.whole);
  }
  const telling = words.filter((word) => !STOP_WORDS.has(word));
  const terms = new Set([...wholes, ...(telling.length > 0 || wholes.length > 0 ? telling : words)]);
  const alternatives = [...new Set([...terms, ...phrasesOf(text)].slice(0, MAX_TERMS))].map((one) => ({
    match: quoted(one),
    stem: terms.has(one) ? stemOf(one) : null,
  }));
  return {
    match: alternatives.length === 0 ? null : alternatives.map(({ match }) => match).join(" OR "),
    alternatives,
    stems: new Set([...terms].map(stemOf)),
  };
}

/**
 * The expression under conditions: all of `required` in a row's text, none of `excluded`. Each is words or a phrase,
 * and taken apart as the index is; one that holds no word is no condition.
 * @param match what ranks the rows, of `lexicalQuery`.
 */
export function withConditions(
  match: string | null,
  required: readonly string[],
  excluded: readonly string[],
): string | null {
  if (match === null) return null;
  const must = required.flatMap(phraseOf);
  const without = exclusionOf(excluded);
  const within =
    must.length === 0 ? match : `${must.map((phrase) => `(${phrase})`).join(" AND ")} AND (${match})`;
  return without === null ? within : `(${within}) NOT (${without})`;
}

/** An FTS5 expression for rows that hold any of these; null where there is none. */
export function exclusionOf(excluded: readonly string[]): string | null {
  const phrases = excluded.flatMap(phraseOf);
  return phrases.length === 0 ? null : phrases.join(" OR ");
}

/** One identifier by its whole form, other text as a phrase of its words; nothing where it holds none. */
function phraseOf(text: string): string[] {
  const tokens = [...tokensOf(text)];
  const [only] = tokens;
  if (tokens.length === 1 && only?.whole != null) return [quoted(only.whole)];
  const words = tokens.flatMap((token) => token.words.map(({ word }) => word));
  return words.length === 0 ? [] : [quoted(words.join(" "))];
}

/** Words that stand between double quotes, where there are two or more, as FTS5 takes a phrase: in this order. */
function phrasesOf(text: string): string[] {
  return [...text.matchAll(/"([^"]+)"/g)]
    .map(([, phrase = ""]) => [...tokensOf(phrase)].flatMap(({ words }) => words.map(({ word }) => word)))
    .filter((words) => words.length > 1)
    .map((words) => words.join(" "));
}

function quoted(term: string): string {
  return `"${term.replaceAll('"', '""')}"`;
}

const PLAIN = /^[a-z0-9]*$/;

/** `stemOf`, for many words of which few are new. */
export function rememberingStems(): typeof stemOf {
  const known = new Map<string, string>();
  return (word) => {
    const stem = known.get(word) ?? stemOf(word);
    known.set(word, stem);
    return stem;
  };
}

/** What the index compares words by: without diacritics, by Porter's stem. `searching`, `Search` → search. */
export function stemOf(word: string): string {
  if (PLAIN.test(word)) return stemmer(word);
  return stemmer(word.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase());
}
