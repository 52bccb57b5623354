import { RE2JS, RE2JSSyntaxException } from "re2js";
import { DevFlowError } from "../core/errors.ts";
import type { Highlight } from "./highlight.ts";
import { type PatternShape, shapeOf } from "./pattern-trigrams.ts";

/** Characters of a pattern: an engine's program grows with it, and each character of a text may visit all of it. */
export const PATTERN_CHARACTERS = 1000;
/** Matches that are marked in one chunk. */
const MAX_MATCHES = 100;

export interface PatternOptions {
  caseSensitive: boolean;
  /** Whether a match may span lines; else each line is matched by itself. `^` and `$` are a line's in both. */
  multiline: boolean;
}

export interface Pattern {
  /** What the trigram index is asked for; null: every chunk is a candidate. */
  match: string | null;
  /** Instructions of the program: each character that is scanned costs up to so many steps. */
  size: number;
  /** Matches in the text, in order, without overlap; empty ones are none. At most 100. */
  matchesIn(text: string): Highlight[];
}

/**
 * A regular expression as RE2 has it, whose matching takes time linear in the text, whatever the pattern.
 * Errors: `unsupported_pattern` for what RE2 does not have (look-around, back-references, possessive repeats), what
 * is malformed, and what expands to too much.
 */
export function compilePattern(pattern: string, options: PatternOptions): Pattern {
  if (pattern.length > PATTERN_CHARACTERS) {
    throw unsupported(`it has over ${PATTERN_CHARACTERS} characters`);
  }
  const engine = compiled(pattern, options);
  const shape = shapeOf(pattern);
  if (shape.tooLarge) throw unsupported("it expands to too much: repeat less, or nest repeats less");
  const size = engine.matcher("").programSize();
  const inLines = (text: string) => matchesByLine(engine, shape, text);
  return {
    match: shape.match,
    size,
    matchesIn: options.multiline ? (text) => matchesIn(engine, text, 0, []) : inLines,
  };
}

function compiled(pattern: string, { caseSensitive }: PatternOptions): RE2JS {
  try {
    return RE2JS.compile(pattern, RE2JS.MULTILINE | (caseSensitive ? 0 : RE2JS.CASE_INSENSITIVE));
  } catch (cause) {
    if (!(cause instanceof RE2JSSyntaxException)) throw cause;
    throw unsupported(reasonOf(pattern, cause));
  }
}

function reasonOf(pattern: string, { message }: Error): string {
  if (/\(\?<?[=!]/.test(pattern)) return "look-around is not supported";
  if (/\\[1-9]|\\k[<{']|\(\?P=/.test(pattern)) return "back-references are not supported";
  const told = /^error parsing regexp: ([^:]{1,80})/.exec(message)?.[1];
  return told ?? "it is malformed";
}

function unsupported(reason: string): DevFlowError {
  const message = `Not a pattern that is searched for (the syntax is RE2's): ${reason}.`;
  return new DevFlowError("unsupported_pattern", message, { errors: [{ pointer: "/query", message }] });
}

function matchesIn(engine: RE2JS, text: string, offset: number, found: Highlight[]): Highlight[] {
  const matcher = engine.matcher(text);
  while (found.length < MAX_MATCHES && matcher.find()) {
    const [start, end] = [matcher.start(), matcher.end()];
    if (end > start) found.push({ start: offset + start, end: offset + end });
  }
  return found;
}

/** A line that matches makes its text match, unless the pattern asks for the text's own ends. */
function matchesByLine(engine: RE2JS, { anchorsText }: PatternShape, text: string): Highlight[] {
  if (!anchorsText && !engine.matcher(text).find()) return [];
  const found: Highlight[] = [];
  for (let start = 0; start <= text.length && found.length < MAX_MATCHES; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    // A CR before the LF ends the line too: `;$` means what it says in files of either kind.
    const last = end > start && text[end - 1] === "\r" ? end - 1 : end;
    matchesIn(engine, text.slice(start, last), start, found);
    start = end + 1;
  }
  return found;
}
