import { type ChunkKind, SIGNATURE_CHARACTERS } from "../../core/chunk.ts";
import { append, type Block } from "./block.ts";
import { docText } from "./doc-text.ts";
import { truncate } from "./truncate.ts";

/** What `CREATE` makes, in words of the API. */
const KINDS: Readonly<Record<string, ChunkKind>> = {
  table: "class",
  view: "class",
  function: "function",
  procedure: "function",
  trigger: "function",
  type: "type",
  domain: "type",
  schema: "module",
  database: "module",
  package: "module",
  index: "variable",
  sequence: "variable",
};

const CREATE =
  /^\s*create\s+(?:or\s+(?:replace|alter)\s+)?(?:(?:global|local|temp|temporary|unlogged|materialized|recursive|unique|virtual|external|editionable|aggregate|definer\s*=\s*\S+)\s+){0,4}(table|view|function|procedure|trigger|type|domain|schema|database|package|index|sequence)\s+(?:body\s+)?(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?((?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])(?:\s*\.\s*(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\]))*)/iu;

/** Tokens that decide where a statement ends; in each, all of what they skip. Every branch moves on in linear time. */
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`[^`]*(?:`|$)|(\$[A-Za-z_]*\$)|\b(begin|case|end|if|loop)\b|;|^\s*go\s*$/gimu;

/**
 * Blocks of an SQL file: one for each statement, with the comments above it. A statement ends at a semicolon outside
 * of strings, comments, dollar quotes and, in what is created as a routine, `BEGIN … END`.
 */
export function outlineSql(source: string): Block[] {
  const blocks: Block[] = [];
  const lineOf = lineCounter(source);
  let start = 0;
  let depth = 0;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(source); match !== null; match = TOKEN.exec(source)) {
    const [token, dollar, word] = match;
    if (token === "") TOKEN.lastIndex++;
    else if (dollar !== undefined) {
      const close = source.indexOf(dollar, TOKEN.lastIndex);
      TOKEN.lastIndex = close < 0 ? source.length : close + dollar.length;
    } else if (word !== undefined) {
      const isRoutine = /^\s*(?:(?:--[^\n]*\n|\/\*[\s\S]*?\*\/)\s*)*create\b/i.test(
        source.slice(start, start + 4000),
      );
      const lower = word.toLowerCase();
      if (!isRoutine) continue;
      if (lower === "begin" || lower === "case") depth++;
      else if (lower === "end") {
        // `END IF`, `END LOOP` close what was not counted.
        if (!/^\s+(if|loop|while|for|repeat)\b/i.test(source.slice(TOKEN.lastIndex, TOKEN.lastIndex + 20))) {
          depth = Math.max(0, depth - 1);
        }
      }
    } else if ((token === ";" && depth === 0) || /^\s*go\s*$/i.test(token)) {
      addStatement(blocks, source, start, TOKEN.lastIndex, lineOf);
      start = TOKEN.lastIndex;
      depth = 0;
    }
  }
  addStatement(blocks, source, start, source.length, lineOf);
  return blocks;
}

/** Comments in front of a statement, and white space. */
const LEAD = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/;

function addStatement(
  blocks: Block[],
  source: string,
  from: number,
  to: number,
  lineOf: (offset: number) => number,
): void {
  const text = source.slice(from, to);
  const lead = LEAD.exec(text)?.[0] ?? "";
  const head = from + lead.length;
  if (head >= to) return;
  const statement = text.slice(lead.length);
  // A blank line parts the comments of the file from those of the statement.
  const own = lead.split(/\n[^\S\n]*\n/).at(-1) ?? "";
  const start = lineOf(head - own.trimStart().length);
  const block: Block = { start, end: lineOf(to - 1), definitions: [], children: [] };
  const [, what, name] = CREATE.exec(statement.slice(0, 2000)) ?? [];
  if (what !== undefined && name !== undefined) {
    const parts = name.split(".").map((part) => part.trim().replaceAll(/^["`[]|["`\]]$/g, ""));
    const parenthesis = statement.indexOf("(");
    const isRoutine = /^(function|procedure)$/i.test(what);
    const end = isRoutine ? statement.search(/\b(as|begin|language)\b|\$/i) : parenthesis;
    block.definitions.push({
      name: parts.at(-1) ?? name,
      kind: KINDS[what.toLowerCase()] ?? "block",
      parent: parts.length > 1 ? parts.slice(0, -1).join(".") : null,
      signature: truncate(
        statement
          .slice(0, end < 0 ? 2000 : end)
          .replaceAll(/\s+/gu, " ")
          .replace(/;$/, "")
          .trim(),
        SIGNATURE_CHARACTERS,
      ),
      doc: docText(own.trim() === "" ? [] : [own]),
      start: lineOf(head),
      end: block.end,
    });
  }
  append(blocks, block);
}

/** Line of an offset, from 0; offsets may only grow, but for a few steps. */
function lineCounter(source: string): (offset: number) => number {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  };
}
