/**
 * Functions with a doc comment, found by lines: exact for code that a formatter has laid out (prettier, gofmt, rustfmt,
 * black), which is all that labelled sets are made from. Lines are 0-based indexes here, ends inclusive.
 */
export interface DocumentedFunction {
  name: string;
  start: number;
  end: number;
  docStart: number;
  docEnd: number;
  /** First sentence of the doc comment, without the name of the function in front and without markup. */
  sentence: string;
}

type Finder = (lines: readonly string[]) => DocumentedFunction[];

const FINDERS: Readonly<Record<string, Finder>> = {
  ts: findTypeScript,
  tsx: findTypeScript,
  go: (lines) => findLineCommented(lines, /^\s*\/\/ ?/, /^func (?:\([^)]*\) )?(\w+)/),
  rs: (lines) =>
    findLineCommented(
      lines,
      /^\s*\/\/\/ ?/,
      /^\s*(?:pub(?:\([^)]*\))? )?(?:(?:const|async|unsafe) )*fn (\w+)/,
    ),
  py: findPython,
};

/** @param extension without its dot. @returns those of three lines and more, in order; none for other languages. */
export function documentedFunctions(source: string, extension: string): DocumentedFunction[] {
  const found = FINDERS[extension]?.(source.split("\n")) ?? [];
  return found.filter(({ start, end }) => end - start >= 2);
}

export interface Undocumented {
  source: string;
  /** Where the functions stand once their comments are gone; lines from 1, inclusive. */
  functions: { name: string; sentence: string; startLine: number; endLine: number }[];
}

/** The source without the doc comments of its functions, and where those functions then stand. */
export function withoutDocComments(source: string, extension: string): Undocumented {
  const lines = source.split("\n");
  const found = documentedFunctions(source, extension);
  const removed = new Set(
    found.flatMap(({ docStart, docEnd }) =>
      Array.from({ length: docEnd - docStart + 1 }, (_, i) => docStart + i),
    ),
  );
  const lineAfter = new Map<number, number>();
  const kept: string[] = [];
  for (const [i, line] of lines.entries()) {
    lineAfter.set(i, kept.length + 1);
    if (!removed.has(i)) kept.push(line);
  }
  return {
    source: kept.join("\n"),
    functions: found.map(({ name, sentence, start, end }) => ({
      name,
      sentence,
      startLine: lineAfter.get(start) ?? 1,
      endLine: lineAfter.get(end) ?? 1,
    })),
  };
}

function findTypeScript(lines: readonly string[]): DocumentedFunction[] {
  const found: DocumentedFunction[] = [];
  for (let docEnd = 0; docEnd < lines.length; docEnd++) {
    if (!/\*\/\s*$/.test(lines[docEnd] ?? "")) continue;
    let docStart = docEnd;
    while (docStart >= 0 && !/^\s*\/\*/.test(lines[docStart] ?? "")) docStart--;
    if (!/^\s*\/\*\*/.test(lines[docStart] ?? "")) continue;
    const start = docEnd + 1;
    const head = lines[start] ?? "";
    const name =
      /^\s*(?:export )?(?:default )?(?:async )?function\*? (\w+)/.exec(head)?.[1] ??
      /^\s*(?:export )?const (\w+)/.exec(head)?.[1] ??
      /^\s+(?:(?:public|private|protected|static|async|override|get|set|readonly) )*([#\w]+)\s*(?:[<(]|= )/.exec(
        head,
      )?.[1];
    const end = closingLine(lines, start);
    if (name === undefined || end === null) continue;
    const opening = lines.slice(start, Math.min(end, start + 12)).join("\n");
    if (!/=>|function\b/.test(opening) && !/^\s+[^=]*\(/.test(head)) continue;
    const text = lines
      .slice(docStart, docEnd + 1)
      .map((line) => line.replace(/^\s*\/?\*+\/? ?|\*\/\s*$/g, ""))
      .join("\n");
    const told = /@(?:description|summary)\s+([^@]+)/.exec(text)?.[1] ?? text.split(/^\s*@\w/m)[0] ?? "";
    found.push({ name, start, end, docStart, docEnd, sentence: firstSentence(told, name) });
  }
  return found;
}

function findLineCommented(lines: readonly string[], comment: RegExp, head: RegExp): DocumentedFunction[] {
  const found: DocumentedFunction[] = [];
  for (const [at, line] of lines.entries()) {
    const name = head.exec(line)?.[1];
    if (name === undefined) continue;
    let start = at;
    while (/^\s*#\[/.test(lines[start - 1] ?? "")) start--;
    let docStart = start;
    while (comment.test(lines[docStart - 1] ?? "")) docStart--;
    const end = closingLine(lines, at);
    if (docStart === start || end === null) continue;
    const text = lines
      .slice(docStart, start)
      .map((docLine) => docLine.replace(comment, ""))
      .join("\n");
    found.push({ name, start, end, docStart, docEnd: start - 1, sentence: firstSentence(text, name) });
  }
  return found;
}

/** The line that closes what begins at `start`: the first `}` in its column that opens nothing else. */
function closingLine(lines: readonly string[], start: number): number | null {
  const indent = indentOf(lines[start] ?? "");
  for (let i = start; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (indentOf(line) !== indent || line.trim() === "") {
      if (line.trim() !== "" && indentOf(line) < indent) return null;
      continue;
    }
    if (i > start && /^\s*\}[);,]*\s*$/.test(line)) return i;
    // A declaration without a body, or the next one.
    if (/;\s*$/.test(line) || (i > start && !/^\s*(?:[)}>|&]|where\b)/.test(line))) return null;
  }
  return null;
}

function findPython(lines: readonly string[]): DocumentedFunction[] {
  const found: DocumentedFunction[] = [];
  for (const [start, line] of lines.entries()) {
    const name = /^\s*(?:async )?def (\w+)/.exec(line)?.[1];
    if (name === undefined) continue;
    let signature = start;
    while (signature < lines.length && !/:\s*(?:#.*)?$/.test(lines[signature] ?? "")) signature++;
    const docStart = signature + 1;
    const opening = /^\s*[rRuU]?("""|''')/.exec(lines[docStart] ?? "");
    const quote = opening?.[1];
    if (opening === null || quote === undefined) continue;
    let docEnd = docStart;
    const rest = (lines[docStart] ?? "").slice(opening[0].length);
    if (!rest.includes(quote)) {
      docEnd++;
      while (docEnd < lines.length && !(lines[docEnd] ?? "").includes(quote)) docEnd++;
    }
    const indent = indentOf(line);
    let end = docEnd;
    for (let i = docEnd + 1; i < lines.length; i++) {
      const next = lines[i] ?? "";
      if (next.trim() === "") continue;
      if (indentOf(next) <= indent) break;
      end = i;
    }
    // What is left would be no function.
    if (end === docEnd) continue;
    const text = [rest, ...lines.slice(docStart + 1, docEnd + 1)].join("\n").split(quote)[0] ?? "";
    found.push({ name, start, end, docStart, docEnd, sentence: firstSentence(text, name) });
  }
  return found;
}

const indentOf = (line: string) => line.length - line.trimStart().length;

/** Markup gone, and the name in front too (`Abort prevents …` → prevents …): it would give the place away. */
function firstSentence(text: string, name: string): string {
  const plain = text
    .trim()
    .split(/\n\s*\n/)[0]
    ?.replaceAll(/\{@\w+\s+([^}|]*)[^}]*\}/g, "$1")
    .replaceAll(/:\w+:`~?([^`<]*)[^`]*`/g, "$1")
    .replaceAll(/\[([^\]]*)\](?:\([^)]*\))?/g, "$1")
    .replaceAll(/[`*]/g, "")
    .replaceAll(/\s+/g, " ")
    .split(/(?<=[.!?])\s/)[0]
    ?.trim();
  if (plain === undefined) return "";
  return plain.startsWith(`${name} `) ? plain.slice(name.length + 1) : plain;
}
