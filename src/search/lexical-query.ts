import { stemmer } from "stemmer";
import { tokensOf } from "../core/terms.ts";
import { STOP_WORDS } from "./stop-words.ts";

export interface LexicalQuery {
  /** An FTS5 expression, every term of it quoted; null where the text holds nothing to look for. */
  match: string | null;
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
  const alternatives = new Set([...terms, ...phrasesOf(text)].slice(0, MAX_TERMS));
  return {
    match: alternatives.size === 0 ? null : [...alternatives].map(quoted).join(" OR "),
    stems: new Set([...terms].map(stemOf)),
  };
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

/** What the index compares words by: without diacritics, by Porter's stem. `searching`, `Search` → search. */
export function stemOf(word: string): string {
  return stemmer(word.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase());
}
