/**
 * Git's wildcard patterns (`wildmatch.c`, with WM_PATHNAME) over `/`-separated names, without translating them to
 * RegExp: whoever uploads an ignore file chooses the pattern, and a backtracking engine can be kept busy for minutes
 * by twenty characters. Here a match costs at most pattern × name steps.
 *
 * `*` any run within a segment · `**` as a whole segment any number of segments · `?` one character · `[a-z]`, `[!a]`,
 * `[[:alpha:]]` · `\` takes the next character literally. Callers who want git's characters, which are bytes, give both
 * sides as `utf8Units`.
 */
export type Wildmatch = (name: string) => boolean;

/** Steps that were taken so far, one for each character looked at: for callers who bound them. */
export interface Work {
  steps: number;
}

type CodeTest = (code: number) => boolean;
/** One character's test, a literal's code, or any run. */
type Token = number | CodeTest | "*";
/** `**` as a whole segment, or the tokens of one. */
type Segment = "**" | Token[];

/** Null for what git takes to match nothing: an open `[`, an unknown class, a last `\`. */
export function compileWildmatch(pattern: string, work: Work = { steps: 0 }): Wildmatch | null {
  const segments = segmentsOf(pattern);
  if (segments === null) return null;
  const [first] = segments;
  if (segments.length === 1 && first !== undefined && first !== "**") {
    return (name) => !name.includes("/") && matchesSegment(first, name, work);
  }
  return (name) => matchesSegments(segments, name.split("/"), work);
}

/** Characters with a meaning of their own: a pattern without them is a plain name. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern);
}

/** The text with a unit for each byte of its UTF-8; ASCII is as it was. */
export function utf8Units(text: string): string {
  if (isAscii(text)) return text;
  let units = "";
  for (const byte of new TextEncoder().encode(text)) units += String.fromCharCode(byte);
  return units;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

function segmentsOf(pattern: string): Segment[] | null {
  const segments: Segment[] = [];
  let tokens: Token[] = [];
  let stars = 0;
  const close = () => {
    segments.push(stars >= 2 && tokens.length === 1 ? "**" : tokens);
    tokens = [];
    stars = 0;
  };
  const literal = (at: number) => {
    const code = pattern.codePointAt(at) ?? 0;
    tokens.push(code);
    return at + unitsOf(code) - 1;
  };
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "/") {
      close();
    } else if (char === "*") {
      stars++;
      if (tokens.at(-1) !== "*") tokens.push("*");
    } else if (char === "?") {
      tokens.push(() => true);
    } else if (char === "[") {
      const set = parseSet(pattern, i);
      if (set === null) return null;
      tokens.push(set.test);
      i = set.end;
    } else if (char === "\\") {
      if (++i === pattern.length) return null;
      if (pattern[i] === "/") close();
      else i = literal(i);
    } else i = literal(i);
  }
  close();
  return segments;
}

/** Greedy, back to the last `**` alone: what an earlier one could take more, the last one can take as well. */
function matchesSegments(segments: readonly Segment[], names: readonly string[], work: Work): boolean {
  let s = 0;
  let n = 0;
  let star = -1;
  let taken = 0;
  while (n < names.length) {
    const segment = segments[s];
    if (segment === "**") {
      // At the end it stands for something, elsewhere for nothing too.
      if (s + 1 === segments.length) return true;
      star = s++;
      taken = n;
    } else if (segment !== undefined && matchesSegment(segment, names[n] as string, work)) {
      s++;
      n++;
    } else if (star >= 0) {
      s = star + 1;
      n = ++taken;
    } else return false;
  }
  return s === segments.length;
}

/** The same within a segment, back to the last `*`. */
function matchesSegment(tokens: readonly Token[], name: string, work: Work): boolean {
  let t = 0;
  let i = 0;
  let star = -1;
  let taken = 0;
  while (i < name.length) {
    work.steps++;
    const token = tokens[t];
    const code = name.codePointAt(i) ?? 0;
    if (token === "*") {
      star = t++;
      taken = i;
    } else if (token !== undefined && takes(token, code)) {
      t++;
      i += unitsOf(code);
    } else if (star >= 0) {
      t = star + 1;
      i = ++taken;
    } else return false;
  }
  while (tokens[t] === "*") t++;
  return t === tokens.length;
}

/** UTF-16 units of a code point. */
function unitsOf(code: number): number {
  return code > 0xffff ? 2 : 1;
}

function takes(token: number | CodeTest, code: number): boolean {
  return typeof token === "number" ? token === code : token(code);
}

const SLASH = 47;

/** The set that opens at `at`, and where its `]` stands; null where it is open or names an unknown class. */
function parseSet(pattern: string, at: number): { test: CodeTest; end: number } | null {
  let i = at + 1;
  const negated = pattern[i] === "!" || pattern[i] === "^";
  if (negated) i++;
  const tests: CodeTest[] = [];
  let from: number | null = null;
  for (let first = true; first || pattern[i] !== "]"; first = false, i++) {
    if (i >= pattern.length) return null;
    if (pattern[i] === "-" && from !== null && i + 1 < pattern.length && pattern[i + 1] !== "]") {
      i += pattern[i + 1] === "\\" ? 2 : 1;
      if (i >= pattern.length) return null;
      const [low, high] = [from, pattern.codePointAt(i) ?? 0];
      tests.push((code) => low <= code && code <= high);
      i += unitsOf(high) - 1;
      from = null;
      continue;
    }
    if (pattern[i] === "[" && pattern[i + 1] === ":") {
      const close = pattern.indexOf("]", i + 2);
      if (close < 0) return null;
      if (pattern[close - 1] === ":" && close - 1 >= i + 2) {
        const test = CLASSES[pattern.slice(i + 2, close - 1)];
        if (test === undefined) return null;
        tests.push(test);
        from = null;
        i = close;
        continue;
      }
    } else if (pattern[i] === "\\" && ++i >= pattern.length) return null;
    const code = pattern.codePointAt(i) ?? 0;
    tests.push((other) => other === code);
    i += unitsOf(code) - 1;
    from = code;
  }
  const test: CodeTest = (code) => code !== SLASH && tests.some((one) => one(code)) !== negated;
  return { test, end: i };
}

const between = (low: string, high: string) => (code: number) =>
  low.charCodeAt(0) <= code && code <= high.charCodeAt(0);
const lower = between("a", "z");
const upper = between("A", "Z");
const digit = between("0", "9");
const graph = between("!", "~");
const alnum: CodeTest = (code) => lower(code) || upper(code) || digit(code);

/** POSIX classes, of ASCII as git has them. */
const CLASSES: Readonly<Record<string, CodeTest | undefined>> = Object.assign(Object.create(null), {
  alnum,
  alpha: (code: number) => lower(code) || upper(code),
  blank: (code: number) => code === 32 || code === 9,
  cntrl: (code: number) => code < 32 || code === 127,
  digit,
  graph,
  lower,
  print: between(" ", "~"),
  punct: (code: number) => graph(code) && !alnum(code),
  space: (code: number) => code === 32 || (code >= 9 && code <= 13),
  upper,
  xdigit: (code: number) => digit(code) || between("a", "f")(code) || between("A", "F")(code),
});
