import { type Citation, claimsAt, mayBecomeClaim, verified } from "./citations.ts";
import type { Source } from "./source.ts";

/** A code span is waited for within its line, this far: then the backtick is an ordinary character. */
const LONGEST_SPAN = 400;
const SPECIAL = /[`[\]<:@.\\\n]/;
const FENCE = /^ {0,3}(`{3,}|~{3,})[^`\n]*$/;

/**
 * The answer as readers may have it, made while it is written. Citations are checked against the sources: what does
 * not hold is taken out and counted, what does is written with the lines that were shown. Outside of code, nothing
 * stays active in whatever shows the answer as Markdown or HTML: `](` becomes `] (`, `<b` becomes `< b`, `://` becomes
 * `[:]//`, `a@b` becomes `a[@]b`; so no image is fetched and no link leads away, whoever put it there. Code (fenced, or a span that closes on
 * its line) is left as it is.
 */
export class AnswerText {
  readonly citations: Citation[] = [];
  /** Citations that named no line that was shown. */
  dropped = 0;
  readonly #sources: readonly Source[];
  #held = "";
  #written = "";
  #fence: string | null = null;
  /** A backtick stood alone in this paragraph: what looks like a span may be its outside. */
  #loneBacktick = false;

  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  /** All that was given out. */
  get text(): string {
    return this.#written;
  }

  /** @returns what can be given out by now. */
  push(part: string): string {
    this.#held += part;
    return this.#advance(false);
  }

  /** @returns the rest. */
  end(): string {
    return this.#advance(true);
  }

  #advance(final: boolean): string {
    const before = this.#written.length;
    while (this.#held !== "" && this.#step(final));
    return this.#written.slice(before);
  }

  /** Gives out the beginning of what is held; false where more must come first. */
  #step(final: boolean): boolean {
    if (this.#atLineStart()) {
      const step = this.#lineStart(final);
      if (step !== null) return step;
    }
    if (this.#fence !== null) return this.#code(final);
    const at = this.#held.search(SPECIAL);
    if (at > 0) return this.#give(this.#held.slice(0, at), at);
    if (at < 0) return this.#give(this.#held, this.#held.length);
    switch (this.#held[0]) {
      case "`":
        return this.#backticks(final);
      case "[":
        return this.#bracket(final);
      case "]":
        return this.#before(final, /^[([:]/, "] ");
      case "<":
        return this.#before(final, /^[A-Za-z/!?]/, "< ");
      case ":":
        return this.#scheme(final);
      case "\\":
        // What is escaped is no opener; but nothing is trusted to be escaped.
        if (this.#held.length === 1 && !final) return false;
        return this.#held[1] === "`" ? this.#give("\\`", 2) : this.#give("\\", 1);
      case "\n":
        return this.#lineEnd();
      case "@":
        if (this.#held.length === 1 && !final) return false;
        // What may be an address of mail.
        return /[\p{L}\p{N}._+-]$/u.test(this.#written) ? this.#bracketed("@", 1) : this.#give("@", 1);
      default:
        return /www$/i.test(this.#written) ? this.#bracketed(".", 1) : this.#give(".", 1);
    }
  }

  #give(text: string, taken: number): true {
    this.#held = this.#held.slice(taken);
    this.#written += text;
    return true;
  }

  /** `.` as `[.]`; the closing bracket is looked at like any other. */
  #bracketed(mark: string, taken: number): true {
    this.#held = `]${this.#held.slice(taken)}`;
    return this.#give(`[${mark}`, 0);
  }

  #atLineStart(): boolean {
    return this.#written === "" || this.#written.endsWith("\n");
  }

  /** A fence opens or closes; null where the line is an ordinary one. */
  #lineStart(final: boolean): boolean | null {
    const end = this.#held.indexOf("\n");
    const line = end < 0 ? this.#held : this.#held.slice(0, end);
    // More of the line may still make it a fence.
    if (end < 0 && !final && /^ {0,3}(?:`+|~+)?[^`\n]*$/.test(line) && /^ {0,3}(?:$|[`~])/.test(line))
      return false;
    const marks = FENCE.exec(line)?.[1];
    if (marks === undefined) return null;
    if (this.#fence === null) this.#fence = marks;
    else if (marks[0] === this.#fence[0] && marks.length >= this.#fence.length && line.trim() === marks) {
      this.#fence = null;
      this.#loneBacktick = false;
    }
    const taken = end < 0 ? line.length : line.length + 1;
    return this.#give(this.#held.slice(0, taken), taken);
  }

  #code(final: boolean): boolean {
    const end = this.#held.indexOf("\n");
    const length = end < 0 ? this.#held.length : end + 1;
    return (final || length > 0) && this.#give(this.#held.slice(0, length), length);
  }

  #lineEnd(): true {
    // A blank line ends the paragraph, and with it any span.
    if (this.#atLineStart()) this.#loneBacktick = false;
    return this.#give("\n", 1);
  }

  #backticks(final: boolean): boolean {
    const marks = /^`+/.exec(this.#held)?.[0] ?? "`";
    const line = this.#held.split("\n", 1)[0] ?? "";
    const undecided = !final && line.length === this.#held.length && line.length < LONGEST_SPAN;
    if (!this.#loneBacktick) {
      const close = new RegExp(`(?<!\`)\`{${marks.length}}(?!\`)`, "g");
      close.lastIndex = marks.length;
      const closing = close.exec(line);
      const certain = closing !== null && (closing.index + marks.length < this.#held.length || final);
      if (certain) {
        const length = closing.index + marks.length;
        return this.#give(this.#held.slice(0, length), length);
      }
    }
    if (undecided && !this.#loneBacktick) return false;
    if (undecided && marks.length === this.#held.length) return false;
    this.#loneBacktick = true;
    return this.#give(marks, marks.length);
  }

  #bracket(final: boolean): boolean {
    const found = claimsAt(this.#held);
    if (found === null) {
      if (!final && mayBecomeClaim(this.#held)) return false;
      return this.#give("[", 1);
    }
    // `list[0]` is code that lacks its backticks.
    const asWritten = this.#held.slice(0, found.length);
    if (/[\p{L}\p{N}_$)]$/u.test(this.#written) && !/[-–]/.test(asWritten)) return this.#give("[", 1);
    const holding = found.claims.flatMap((claim) => verified(claim, this.#sources) ?? []);
    this.dropped += found.claims.length - holding.length;
    for (const citation of holding) this.#note(citation);
    const text = holding.map(({ n, startLine, endLine }) => `${n}:${startLine}-${endLine}`).join("; ");
    if (text === "") return this.#give("", found.length);
    // The closing bracket is looked at like any other.
    return this.#give(`[${text}`, found.length - 1);
  }

  #note(citation: Citation): void {
    const same = ({ n, startLine, endLine }: Citation) =>
      n === citation.n && startLine === citation.startLine && endLine === citation.endLine;
    if (!this.citations.some(same)) this.citations.push(citation);
  }

  #before(final: boolean, follower: RegExp, separated: string): boolean {
    if (this.#held.length === 1 && !final) return false;
    const apart = follower.test(this.#held.slice(1));
    return this.#give(apart ? separated : separated.trimEnd(), 1);
  }

  #scheme(final: boolean): boolean {
    if (!final && "://".startsWith(this.#held)) return false;
    return this.#held.startsWith("://") ? this.#give("[:]//", 3) : this.#give(":", 1);
  }
}
