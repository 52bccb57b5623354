/**
 * What every match of a regular expression must hold, as an expression over the trigrams of a text, after Cox,
 * "Regular Expression Matching with a Trigram Index" (https://swtch.com/~rsc/regexp/regexp4.html). Sound whatever the
 * pattern: what is not understood requires nothing. Texts and patterns are folded alike (`core/fold.ts`), so one
 * index serves both cases.
 */
import { fold } from "../core/fold.ts";

/** Exact alternatives of one run of literals; more make the expression longer than the scan that it saves. */
const MAX_ALTERNATIVES = 16;
/** Code points of one alternative: longer literals tell no more. */
const MAX_LITERAL = 64;
/** Trigrams of the whole expression. */
const MAX_TRIGRAMS = 96;
const MAX_DEPTH = 100;
/** Bounds of what a pattern may expand to. RE2 itself bounds a single repeat at 1,000. */
const MAX_REPEAT_PRODUCT = 1000;
const MAX_SIZE = 10_000;

export interface PatternShape {
  /** An FTS5 expression over the trigram index that every matching text satisfies; null where none is known. */
  match: string | null;
  /** The pattern expands to more than is searched for: nested repeats, or sheer length. */
  tooLarge: boolean;
  /** `\A` or `\z` stand in it: lines then match otherwise than the text that they are in. */
  anchorsText: boolean;
}

/** What must hold: all of, any of, one trigram, or nothing (`null`). */
type Need = { all: Need[] } | { any: Need[] } | { trigram: string } | null;

/** `exact`: all texts that the node can match, folded, where they are few; else null, and `need` holds. */
interface Node {
  exact: string[] | null;
  need: Need;
}

const ANYTHING: Node = { exact: null, need: null };
const NOTHING_CONSUMED: Node = { exact: [""], need: null };

/** @param pattern one that RE2 accepts. */
export function shapeOf(pattern: string): PatternShape {
  const parser = new Parser(pattern);
  try {
    const root = parser.parse();
    return {
      match: rendered(needOf(root)),
      tooLarge: parser.size > MAX_SIZE,
      anchorsText: parser.anchorsText,
    };
  } catch (error) {
    if (error === TOO_LARGE) return { match: null, tooLarge: true, anchorsText: true };
    if (error === NOT_UNDERSTOOD) return { match: null, tooLarge: false, anchorsText: true };
    throw error;
  }
}

const TOO_LARGE = Symbol("too large");
const NOT_UNDERSTOOD = Symbol("not understood");

class Parser {
  readonly #chars: string[];
  #at = 0;
  #depth = 0;
  /** How often the node that is read may be repeated by all that encloses it is not known beforehand: sizes go up. */
  size = 0;
  anchorsText = false;

  constructor(pattern: string) {
    this.#chars = [...pattern];
  }

  parse(): Node {
    const { node, size } = this.#alternation();
    if (this.#at < this.#chars.length) throw NOT_UNDERSTOOD;
    this.size = size;
    return node;
  }

  #alternation(): { node: Node; size: number; repeats: number } {
    if (++this.#depth > MAX_DEPTH) throw TOO_LARGE;
    const branches = [this.#concatenation()];
    while (this.#chars[this.#at] === "|") {
      this.#at++;
      branches.push(this.#concatenation());
    }
    this.#depth--;
    return {
      node:
        branches.length === 1 ? (branches[0]?.node ?? ANYTHING) : either(branches.map(({ node }) => node)),
      size: branches.reduce((sum, { size }) => sum + size, 0),
      repeats: Math.max(...branches.map(({ repeats }) => repeats)),
    };
  }

  #concatenation(): { node: Node; size: number; repeats: number } {
    const parts: Node[] = [];
    let size = 1;
    let repeats = 1;
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === undefined || char === "|" || char === ")") break;
      const atom = this.#atom(char);
      const quantified = this.#quantified(atom);
      parts.push(quantified.node);
      size += quantified.size;
      repeats = Math.max(repeats, quantified.repeats);
    }
    return { node: joined(parts), size, repeats };
  }

  #quantified(atom: { node: Node; size: number; repeats: number }) {
    let { node, size, repeats } = atom;
    for (;;) {
      const quantifier = this.#quantifier();
      if (quantifier === null) return { node, size, repeats };
      const { least, most } = quantifier;
      const times = Math.max(1, most ?? least);
      repeats *= times;
      size *= times;
      if (repeats > MAX_REPEAT_PRODUCT || size > MAX_SIZE) throw TOO_LARGE;
      if (least === 1 && most === 1) continue;
      if (least === 0 && most === 1) node = either([node, NOTHING_CONSUMED]);
      else if (least === 0) node = ANYTHING;
      else node = { exact: null, need: needOf(node) };
    }
  }

  #quantifier(): { least: number; most: number | null } | null {
    const char = this.#chars[this.#at];
    let found: { least: number; most: number | null } | null = null;
    if (char === "*") found = { least: 0, most: null };
    else if (char === "+") found = { least: 1, most: null };
    else if (char === "?") found = { least: 0, most: 1 };
    if (found !== null) this.#at++;
    else if (char === "{") {
      const counted = /^\{(\d{1,6})(,(\d{0,6}))?\}/.exec(this.#chars.slice(this.#at, this.#at + 16).join(""));
      if (counted === null) return null;
      this.#at += counted[0].length;
      const least = Number(counted[1]);
      found = { least, most: counted[2] === undefined ? least : counted[3] ? Number(counted[3]) : null };
    }
    // Lazy: matches the same texts.
    if (found !== null && this.#chars[this.#at] === "?") this.#at++;
    return found;
  }

  #atom(char: string): { node: Node; size: number; repeats: number } {
    if (char === "(") return this.#group();
    this.#at++;
    const one = (node: Node) => ({ node, size: 1, repeats: 1 });
    if (char === "^" || char === "$") return one(NOTHING_CONSUMED);
    if (char === ".") return one(ANYTHING);
    if (char === "[") return one(this.#class());
    if (char === "\\") return one(this.#escape());
    return one(literal(char));
  }

  #group(): { node: Node; size: number; repeats: number } {
    const rest = this.#chars.slice(this.#at, this.#at + 80).join("");
    const opening = /^\((?:\?(?:P?<[\p{L}\p{N}_]+>|[imsU-]*[:)]))?/u.exec(rest)?.[0] ?? "(";
    if (opening === "(" && rest.startsWith("(?")) throw NOT_UNDERSTOOD;
    this.#at += [...opening].length;
    // `(?i)`: flags for what follows; folding serves both cases, and dots and anchors require nothing.
    if (opening.endsWith(")")) return { node: NOTHING_CONSUMED, size: 0, repeats: 1 };
    const inner = this.#alternation();
    if (this.#chars[this.#at] !== ")") throw NOT_UNDERSTOOD;
    this.#at++;
    return inner;
  }

  /** Behind the opening bracket. A class of one plain character is that character. */
  #class(): Node {
    const start = this.#at;
    if (this.#chars[this.#at] === "^") this.#at++;
    if (this.#chars[this.#at] === "]") this.#at++;
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === undefined) throw NOT_UNDERSTOOD;
      this.#at++;
      if (char === "]") break;
      if (char === "\\") this.#at++;
      else if (char === "[" && this.#chars[this.#at] === ":") {
        const end = this.#chars.indexOf("]", this.#at);
        if (end > 0 && this.#chars[end - 1] === ":") this.#at = end + 1;
      }
    }
    const inside = this.#chars.slice(start, this.#at - 1);
    const [only] = inside;
    const plain = inside.length === 1 && only !== undefined && !/[\^\]\\[]/.test(only);
    return plain ? literal(only) : ANYTHING;
  }

  /** Behind the backslash. */
  #escape(): Node {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw NOT_UNDERSTOOD;
    if ("dDwWsSC".includes(char)) return ANYTHING;
    if ("bB".includes(char)) return NOTHING_CONSUMED;
    if ("AzZ".includes(char)) {
      this.anchorsText = true;
      return NOTHING_CONSUMED;
    }
    if (char === "p" || char === "P") {
      this.#at = this.#chars[this.#at] === "{" ? this.#chars.indexOf("}", this.#at) + 1 : this.#at + 1;
      if (this.#at === 0) throw NOT_UNDERSTOOD;
      return ANYTHING;
    }
    if (char === "Q") {
      const rest = this.#chars.slice(this.#at).join("");
      const end = rest.indexOf("\\E");
      const quoted = end < 0 ? rest : rest.slice(0, end);
      this.#at += [...quoted].length + (end < 0 ? 0 : 2);
      // A quantifier behind it would belong to its last character.
      if (this.#quantifier() !== null) throw NOT_UNDERSTOOD;
      return joined([...quoted].map(literal));
    }
    const code = this.#code(char);
    if (code !== null) return literal(code);
    const control = { n: "\n", t: "\t", r: "\r", f: "\f", v: "\v", a: "\x07" }[char];
    if (control !== undefined) return literal(control);
    if (/[\p{L}\p{N}]/u.test(char)) throw NOT_UNDERSTOOD;
    return literal(char);
  }

  /** `\x41`, `\x{1F600}`, `\012`. */
  #code(char: string): string | null {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join("");
    const hex = char === "x" ? /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(rest) : null;
    if (hex !== null) {
      this.#at += hex[0].length;
      const point = Number.parseInt(hex[1] ?? hex[2] ?? "0", 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : null;
    }
    const octal = /^[0-7]$/.test(char) ? /^[0-7]{0,2}/.exec(rest) : null;
    // One digit other than 0 would be a back-reference, which RE2 has not.
    if (octal === null || (char !== "0" && octal[0].length === 0)) return null;
    this.#at += octal[0].length;
    return String.fromCodePoint(Number.parseInt(char + octal[0], 8));
  }
}

/** Characters that the index cannot hold require nothing. */
function literal(char: string): Node {
  const code = char.codePointAt(0) ?? 0;
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff)) return ANYTHING;
  return { exact: [fold(char)], need: null };
}

function either(nodes: Node[]): Node {
  const exact = nodes.every((node) => node.exact !== null)
    ? [...new Set(nodes.flatMap((node) => node.exact ?? []))]
    : null;
  if (exact !== null && exact.length <= MAX_ALTERNATIVES) return { exact, need: null };
  const needs = nodes.map(needOf);
  return { exact: null, need: needs.includes(null) ? null : { any: needs } };
}

/** Runs of literals grow across their neighbours until one is not literal, or there are too many. */
function joined(parts: Node[]): Node {
  const needs: Need[] = [];
  let run: string[] = [""];
  let whole = true;
  const close = () => {
    needs.push(needOf({ exact: run, need: null }));
    run = [""];
    whole = false;
  };
  for (const part of parts) {
    if (part.exact === null) {
      close();
      needs.push(part.need);
      continue;
    }
    const longer = run.flatMap((before) => (part.exact ?? []).map((after) => before + after));
    if (longer.length > MAX_ALTERNATIVES || longer.some((text) => text.length > MAX_LITERAL)) {
      close();
      run = part.exact;
    } else run = longer;
  }
  if (whole) return { exact: run, need: null };
  close();
  const known = needs.filter((need) => need !== null);
  return { exact: null, need: known.length === 0 ? null : { all: known } };
}

function needOf({ exact, need }: Node): Need {
  if (exact === null) return need;
  const alternatives: Need[] = [];
  for (const text of exact) {
    const trigrams = trigramsOf(text);
    if (trigrams.length === 0) return null;
    alternatives.push({ all: trigrams.map((trigram) => ({ trigram })) });
  }
  return alternatives.length === 1 ? (alternatives[0] ?? null) : { any: alternatives };
}

function trigramsOf(text: string): string[] {
  const points = [...text];
  const trigrams = new Set<string>();
  for (let i = 0; i + 3 <= points.length; i++) trigrams.add(points.slice(i, i + 3).join(""));
  return [...trigrams];
}

/** Within the bound: what is one of several conditions may be dropped, an alternative never. */
function rendered(need: Need): string | null {
  let left = MAX_TRIGRAMS;
  const render = (one: Need): string | null => {
    if (one === null) return null;
    if ("trigram" in one) return left-- > 0 ? `"${one.trigram.replaceAll('"', '""')}"` : null;
    if ("all" in one) {
      const parts = one.all.map(render).filter((part) => part !== null);
      return parts.length === 0 ? null : parts.length === 1 ? (parts[0] ?? null) : `(${parts.join(" AND ")})`;
    }
    const parts = one.any.map(render);
    return parts.includes(null) ? null : `(${parts.join(" OR ")})`;
  };
  return render(need);
}
