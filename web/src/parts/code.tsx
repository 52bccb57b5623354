import { useEffect, useRef, useState } from "preact/hooks";
import { highlight, type Token } from "./highlight.ts";

export interface CodeProps {
  text: string;
  language: string;
  firstLine: number;
  /** A line to bring into view and mark. */
  marked?: { start: number; end: number };
  /** Half-open, in UTF-16 units of `text`. */
  highlights?: readonly { start: number; end: number }[];
  label: string;
}

/** Code with line numbers: plain at once, coloured as soon as the grammar is there. */
export function Code({ text, language, firstLine, marked, highlights = [], label }: CodeProps) {
  const [tokens, setTokens] = useState<Token[][] | null>(null);
  useEffect(() => {
    let current = true;
    setTokens(null);
    // Without colours the code is still there to read.
    highlight(text, language).then(
      (lines) => current && setTokens(lines),
      () => {},
    );
    return () => {
      current = false;
    };
  }, [text, language]);
  const lines = text.replace(/\n$/, "").split("\n");
  let offset = 0;
  return (
    <section class="code" aria-label={label}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>
          {lines.map((line, i) => {
            const start = offset;
            offset += line.length + 1;
            const number = firstLine + i;
            const within = marked !== undefined && number >= marked.start && number <= marked.end;
            return (
              <Line
                key={number}
                number={number}
                pieces={piecesOf(
                  tokens?.[i] ?? [{ content: line, light: undefined, dark: undefined }],
                  start,
                  highlights,
                )}
                marked={within}
                reveal={marked !== undefined && number === marked.start}
              />
            );
          })}
        </code>
      </pre>
    </section>
  );
}

interface Piece extends Token {
  found: boolean;
}

/** Cuts the tokens where a highlight begins or ends. */
function piecesOf(
  tokens: readonly Token[],
  lineStart: number,
  highlights: CodeProps["highlights"] = [],
): Piece[] {
  const pieces: Piece[] = [];
  let at = lineStart;
  for (const token of tokens) {
    const end = at + token.content.length;
    const cuts = new Set([at, end]);
    for (const { start, end: stop } of highlights) {
      if (start > at && start < end) cuts.add(start);
      if (stop > at && stop < end) cuts.add(stop);
    }
    const edges = [...cuts].sort((a, b) => a - b);
    for (let i = 0; i + 1 < edges.length; i++) {
      const [from, to] = [edges[i] ?? at, edges[i + 1] ?? end];
      const found = highlights.some(({ start, end: stop }) => start <= from && stop >= to);
      pieces.push({ ...token, content: token.content.slice(from - at, to - at), found });
    }
    at = end;
  }
  return pieces;
}

function Line({
  number,
  pieces,
  marked,
  reveal,
}: {
  number: number;
  pieces: Piece[];
  marked: boolean;
  reveal: boolean;
}) {
  const row = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (reveal) row.current?.scrollIntoView({ block: "center" });
  }, [reveal]);
  return (
    <span ref={row} class={marked ? "line marked" : "line"}>
      <span class="number" aria-hidden="true">
        {number}
      </span>
      <span class="text">
        {pieces.map((piece, i) => (
          <Piece key={i} {...piece} />
        ))}
        {"\n"}
      </span>
    </span>
  );
}

function Piece({ content, light, dark, found }: Piece) {
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    // Through the object model: `style` attributes are not allowed by the policy.
    if (light !== undefined) element.current?.style.setProperty("--light", light);
    if (dark !== undefined) element.current?.style.setProperty("--dark", dark);
  }, [light, dark]);
  return found ? <mark ref={element}>{content}</mark> : <span ref={element}>{content}</span>;
}
