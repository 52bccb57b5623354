/**
 * Glob patterns over `/`-separated paths, in time linear in pattern × path: callers send the patterns, and the
 * backtracking of a translation to RegExp would let one pattern occupy the Worker.
 * `*` any run within a segment · `**` as a whole segment any number of segments · `?` one character · `[a-z]`, `[!a]`
 * · `{a,b}` alternatives · `\` takes the next character literally. Dot files match like others. A pattern without `/`
 * matches the file name at any depth; a trailing `/` matches everything below; a leading `/` anchors.
 */
export type PathMatcher = (path: string) => boolean;

/** Alternatives that `{…}` may multiply out to. */
const MAX_ALTERNATIVES = 64;

/** Null where the pattern is malformed: an open `[` or `{`, or more alternatives than can be tried. */
export function compileGlob(pattern: string): PathMatcher | null {
  const alternatives = expandBraces(pattern.normalize("NFC"));
  if (alternatives === null) return null;
  const programs = alternatives.map((alternative) => compile(anchored(alternative)));
  if (programs.some((program) => program === null)) return null;
  return (path) => programs.some((program) => program !== null && matches(program, path));
}

function anchored(pattern: string): string {
  const below = pattern.endsWith("/") ? `${pattern}**` : pattern;
  if (below.startsWith("/")) return below.slice(1);
  const inner = pattern.replace(/\/$/, "");
  return inner.includes("/") ? below : `**/${below}`;
}

/** One step of a program: consumes one character, or (stars) any number of them. */
type Step =
  | { kind: "literal"; char: string }
  | { kind: "class"; negated: boolean; ranges: [string, string][] }
  | { kind: "any" }
  /** `*`: any run without `/`. */
  | { kind: "star" }
  /** `**` followed by `/`: nothing, or any run that ends with `/`. */
  | { kind: "folders" }
  /** `**` at the end: any run. */
  | { kind: "rest" };

function compile(pattern: string): Step[] | null {
  const chars = [...pattern];
  const steps: Step[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string;
    if (char === "\\" && i + 1 < chars.length) steps.push({ kind: "literal", char: chars[++i] as string });
    else if (char === "?") steps.push({ kind: "any" });
    else if (char === "[") {
      const close = closingBracket(chars, i);
      if (close < 0) return null;
      steps.push(classOf(chars.slice(i + 1, close)));
      i = close;
    } else if (char === "*") {
      const run = starsFrom(chars, i);
      const wholeSegment = i === 0 || chars[i - 1] === "/";
      if (run >= 2 && wholeSegment && chars[i + run] === "/") {
        steps.push({ kind: "folders" });
        i += run;
      } else if (run >= 2 && wholeSegment && i + run === chars.length) {
        steps.push({ kind: "rest" });
        i += run - 1;
      } else {
        steps.push({ kind: "star" });
        i += run - 1;
      }
    } else steps.push({ kind: "literal", char });
  }
  return steps;
}

function starsFrom(chars: string[], at: number): number {
  let run = 0;
  while (chars[at + run] === "*") run++;
  return run;
}

/** Index of the `]` that ends the class; one directly after `[` or `[!` stands for itself. */
function closingBracket(chars: string[], open: number): number {
  const first = chars[open + 1] === "!" || chars[open + 1] === "^" ? open + 2 : open + 1;
  return chars.indexOf("]", first + 1);
}

function classOf(inner: string[]): Step {
  const negated = inner[0] === "!" || inner[0] === "^";
  const members = negated ? inner.slice(1) : inner;
  const ranges: [string, string][] = [];
  for (let i = 0; i < members.length; i++) {
    const from = members[i] as string;
    const to = members[i + 2];
    if (members[i + 1] === "-" && to !== undefined) {
      ranges.push([from, to]);
      i += 2;
    } else ranges.push([from, from]);
  }
  return { kind: "class", negated, ranges };
}

/** Walks the path once, with the set of steps that may come next. */
function matches(steps: Step[], path: string): boolean {
  let states = new Set<number>();
  addState(steps, states, 0);
  let atSegmentStart = true;
  for (const char of path) {
    const next = new Set<number>();
    for (const at of states) {
      const step = steps[at];
      if (step === undefined) continue;
      if (step.kind === "rest") addState(steps, next, at);
      else if (step.kind === "folders") {
        next.add(at);
        if (char === "/") addState(steps, next, at + 1);
      } else if (step.kind === "star") {
        if (char !== "/") addState(steps, next, at);
      } else if (consumes(step, char)) addState(steps, next, at + 1);
    }
    states = next;
    atSegmentStart = char === "/";
    if (states.size === 0) return false;
  }
  return !atSegmentStart && states.has(steps.length);
}

/** Adds a step and those that can be reached from it without a character. */
function addState(steps: Step[], states: Set<number>, at: number): void {
  for (let i = at; !states.has(i); i++) {
    states.add(i);
    const kind = steps[i]?.kind;
    if (kind !== "star" && kind !== "folders" && kind !== "rest") return;
  }
}

function consumes(step: Step, char: string): boolean {
  if (step.kind === "literal") return step.char === char;
  if (char === "/") return false;
  if (step.kind === "class") {
    return step.ranges.some(([from, to]) => from <= char && char <= to) !== step.negated;
  }
  return step.kind === "any";
}

/** `a{b,c{d,e}}` → `ab`, `acd`, `ace`; null where a brace is open or there are too many. */
function expandBraces(pattern: string): string[] | null {
  const open = findUnescaped(pattern, "{", 0);
  if (open < 0) return [pattern];
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let i = open; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "\\") i++;
    else if (char === "{") depth++;
    else if (char === "," && depth === 1) {
      parts.push(pattern.slice(start, i));
      start = i + 1;
    } else if (char === "}" && --depth === 0) {
      parts.push(pattern.slice(start, i));
      return combine(pattern.slice(0, open), parts, pattern.slice(i + 1));
    }
  }
  return null;
}

function combine(before: string, parts: string[], after: string): string[] | null {
  const tails = expandBraces(after);
  if (tails === null) return null;
  const out: string[] = [];
  for (const part of parts) {
    const middles = expandBraces(part);
    if (middles === null || out.length + middles.length * tails.length > MAX_ALTERNATIVES) return null;
    for (const middle of middles) for (const tail of tails) out.push(before + middle + tail);
  }
  return out;
}

function findUnescaped(text: string, wanted: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === wanted) return i;
  }
  return -1;
}
