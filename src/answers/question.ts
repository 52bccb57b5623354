/** What is searched for to answer a question. */
export interface Searches {
  /** Texts to search by meaning and words, the question itself first. */
  texts: string[];
  /** Names of code in the question, to look up as definitions. */
  identifiers: string[];
}

/** Questions within a question that are searched for by themselves. */
const MAX_PARTS = 3;
const MAX_IDENTIFIERS = 8;
/** Shorter parts ("and how?") say nothing alone. */
const MIN_WORDS = 3;
/** What a search takes. */
const MAX_CHARACTERS = 2000;

const ASKS = "how|where|what|why|which|when|who|does|do|is|are|can|should";
const BETWEEN_PARTS = new RegExp(`[?;\\n]+\\s*|,?\\s+(?:and|but|then|also)\\s+(?=(?:${ASKS})\\b)`, "i");
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*(?:(?:\.|::|#)[\p{L}_$][\p{L}\p{N}_$]*)*/gu;

/**
 * The question, its parts where it asks several things, and the question before it together with it, since a
 * follow-up ("and where is it called?") leaves out what it is about.
 * @param before what was asked just before, or null.
 */
export function searchesFor(question: string, before: string | null): Searches {
  const parts = question
    .split(BETWEEN_PARTS)
    .map((part) => part.trim())
    .filter((part) => part.split(/\s+/).length >= MIN_WORDS);
  const texts = [
    question,
    ...(before === null ? [] : [`${before}\n${question}`]),
    ...(parts.length > 1 ? parts.slice(0, MAX_PARTS) : []),
  ];
  return {
    texts: [...new Set(texts.map((text) => text.slice(0, MAX_CHARACTERS)))],
    identifiers: namesIn(question),
  };
}

/**
 * Words that look like names of code: in `backticks`, before a parenthesis, with a dot, an underscore or a capital
 * within, or with a capital where no sentence begins.
 */
export function namesIn(text: string): string[] {
  const names = new Set<string>();
  for (const [quoted] of text.matchAll(/`[^`\n]{1,200}`/g))
    for (const [name] of quoted.matchAll(NAME)) names.add(name);
  for (const match of text.matchAll(NAME)) {
    const [name] = match;
    const before = text.slice(0, match.index).trimEnd();
    const beginsSentence = before === "" || /[.!?:\n]$/.test(before);
    const looksLikeCode =
      /[_$#:]|\.|\p{Ll}\p{Lu}/u.test(name) ||
      text[match.index + name.length] === "(" ||
      (!beginsSentence && /^\p{Lu}\p{L}{2}/u.test(name));
    if (looksLikeCode) names.add(name);
  }
  return [...names].slice(0, MAX_IDENTIFIERS);
}

/** The last part of `Task.run`, `Task::run`: what a definition is called. */
export function lastName(name: string): string {
  return name.split(/\.|::|#/).at(-1) ?? name;
}

/** The names that code uses, the most used first; keywords and short words are left out. */
export function namesInCode(code: string, limit: number): string[] {
  const counts = new Map<string, number>();
  for (const [name] of code.matchAll(/[\p{L}_$][\p{L}\p{N}_$]{2,}/gu)) {
    if (!KEYWORDS.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, limit)
    .map(([name]) => name);
}

/** Names that pasted code defines, by the words of many languages that come before a name. */
export function definedIn(code: string): string[] {
  const definition =
    /\b(?:function\*?|class|interface|type|enum|struct|trait|def|func|fn|module|const|let|var|val)\s+([\p{L}_$][\p{L}\p{N}_$]*)/gu;
  return [...new Set([...code.matchAll(definition)].map(([, name = ""]) => name))].slice(0, 3);
}

/** Words that many languages reserve, or that stand in all code. */
const KEYWORDS = new Set(
  (
    "abstract and any as assert async await bool boolean break byte case catch char class const continue default def " +
    "defer delete double elif else end enum except export extends false final finally float for foreach from func " +
    "function global goto if implements import include int interface internal is lambda let long match module mut new " +
    "nil None not null number object operator or override package pass private protected public pub raise readonly " +
    "ref return self short static string struct super switch template then this throw throws trait true True False try " +
    "type typeof undefined union unknown unless unsigned until use using val var virtual void when where while with yield"
  ).split(" "),
);
