import { append, type Block } from "./block.ts";
import { docText } from "./doc-text.ts";

/** Keys within keys that are told: deeper ones are data. */
const MAX_DEPTH = 3;
/** A key at the start of a line, perhaps after the dash of a list: its indentation, and its name. */
const KEY =
  /^(\s*)(-\s+)?("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#'"&*!|>%@`{}[\],?:-][^#:\r\n]{0,200}|[^\s#:])\s*:(?:\s|$)/;
/** The value that follows is text over several lines. */
const SCALAR = /:\s*(?:[&!]\S+\s+)*[|>][+\-\d]{0,2}\s*(?:#.*)?\r?$/;

/**
 * Blocks of a YAML file, by key and indentation: those that hold several lines, and those at the top. Reading by
 * indentation needs no more than whole lines and cannot fail; values in braces are text to it.
 */
export function outlineYaml(source: string): Block[] {
  const lines = source.split("\n");
  const root: Block = { start: 0, end: lines.length - 1, definitions: [], children: [] };
  const open: { indent: number; block: Block; name: string }[] = [];
  let last = -1;
  let scalarIndent: number | null = null;
  const closeTo = (indent: number) => {
    for (let top = open.at(-1); top !== undefined && top.indent >= indent; top = open.at(-1)) {
      open.pop();
      const { block } = top;
      block.end = Math.max(block.start, last);
      for (const definition of block.definitions) definition.end = Math.max(definition.start, last);
      if (open.length > 0 && block.end === block.definitions[0]?.start) block.definitions = [];
      if (block.definitions.length > 0 || block.end > block.start) {
        append(open.at(-1)?.block.children ?? root.children, block);
      }
    }
  };
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const indent = line.length - line.trimStart().length;
    if (scalarIndent !== null && indent > scalarIndent) {
      last = i;
      continue;
    }
    scalarIndent = null;
    if (/^\s*#/.test(line)) continue;
    if (/^(---|\.\.\.)(\s|$)/.test(line)) {
      closeTo(0);
      last = i;
      continue;
    }
    const key = KEY.exec(line);
    const at = indent + (key?.[2]?.length ?? 0);
    closeTo(key?.[2] === undefined && key !== null ? indent : Math.min(at, indent + 1));
    last = i;
    if (SCALAR.test(line)) scalarIndent = indent;
    if (key === null || open.length >= MAX_DEPTH) continue;
    const name = (key[3] ?? "").trim().replaceAll(/^["']|["']$/g, "");
    let start = i;
    while (start > 0 && /^\s*#/.test(lines[start - 1] ?? "")) start--;
    const parent = open.length === 0 ? null : open.map(({ name }) => name).join(".");
    const definitions =
      name === ""
        ? []
        : [
            {
              name,
              kind: "section" as const,
              parent,
              signature: `${name}:`,
              doc: docText(lines.slice(start, i)),
              start: i,
              end: i,
            },
          ];
    open.push({ indent: at, name, block: { start, end: i, definitions, children: [] } });
  }
  closeTo(0);
  return root.children;
}
