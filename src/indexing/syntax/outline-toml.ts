import { append, type Block } from "./block.ts";
import { docText } from "./doc-text.ts";

/** Blocks of a TOML file: one for each table, with the comments above it. */
export function outlineToml(source: string): Block[] {
  const lines = source.split("\n");
  const blocks: Block[] = [];
  let open: { start: number; head: number; name: string; doc: string | null } | null = null;
  let quotes: '"""' | "'''" | null = null;
  const close = (before: number) => {
    if (open === null) return;
    let end = before;
    while (end > open.head && (lines[end] ?? "").trim() === "") end--;
    const { start, head, name, doc } = open;
    const at = name.lastIndexOf(".");
    const parent = at < 0 ? null : name.slice(0, at);
    const signature = `[${name}]`;
    append(blocks, {
      start,
      end,
      definitions: [{ name: name.slice(at + 1), kind: "section", parent, signature, doc, start: head, end }],
      children: [],
    });
  };
  for (const [i, line] of lines.entries()) {
    const inString = quotes !== null;
    quotes = quotesAfter(line, quotes);
    if (inString) continue;
    const header = /^\s*\[{1,2}\s*([^[\]]{1,200}?)\s*\]{1,2}\s*(?:#.*)?$/.exec(line)?.[1];
    if (header === undefined) continue;
    let start = i;
    while (start > 0 && /^\s*#/.test(lines[start - 1] ?? "")) start--;
    close(start - 1);
    open = { start, head: i, name: header.replaceAll(/["'\s]/g, ""), doc: docText(lines.slice(start, i)) };
  }
  close(lines.length - 1);
  return blocks;
}

/** Which multi-line string is open at the end of the line. */
function quotesAfter(line: string, before: '"""' | "'''" | null): '"""' | "'''" | null {
  let open = before;
  for (const [token] of line.matchAll(/"""|'''|#|"(?:[^"\\]|\\.)*"|'[^']*'/g)) {
    if (token === '"""' || token === "'''") open = open === null ? token : open === token ? null : open;
    else if (token === "#" && open === null) break;
  }
  return open;
}
