import type { Outlined } from "./block.ts";
import { append, type Block } from "./block.ts";

/** A heading: its level, 1..6, and the lines that it takes. */
interface Heading {
  level: number;
  name: string;
  signature: string;
  start: number;
}

/**
 * Blocks of a Markdown file: a section for each heading, within that of the heading above it, and in them fenced code,
 * tables, lists and paragraphs, which are cut at their lines only where they are too long.
 */
export function outlineMarkdown(source: string): Block[] {
  const lines = source.trimEnd().split("\n");
  const root: Block = { start: 0, end: lines.length - 1, definitions: [], children: [] };
  const open: { level: number; block: Block }[] = [{ level: 0, block: root }];
  const closeTo = (level: number, end: number) => {
    while (open.length > 1 && (open.at(-1)?.level ?? 0) >= level) {
      const closed = open.pop();
      if (closed === undefined) return;
      closed.block.end = end;
      for (const definition of closed.block.definitions) definition.end = end;
      append(open.at(-1)?.block.children ?? [], closed.block);
    }
  };
  let paragraph: number | null = null;
  const endParagraph = (end: number) => {
    if (paragraph !== null && end > paragraph) append(innermost().children, plain(paragraph, end));
    paragraph = null;
  };
  const innermost = () => open.at(-1)?.block ?? root;

  for (let i = frontMatterEnd(lines); i < lines.length; i++) {
    const line = lines[i] ?? "";
    const fence = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      endParagraph(i - 1);
      const end = fenceEnd(lines, i, fence);
      if (end > i) append(innermost().children, plain(i, end));
      i = end;
      continue;
    }
    const heading = headingAt(lines, i);
    if (heading !== null) {
      endParagraph(heading.start - 1);
      closeTo(heading.level, heading.start - 1);
      const parents = open.slice(1).map(({ block }) => block.definitions[0]?.name ?? "");
      open.push({ level: heading.level, block: sectionOf(heading, parents) });
      paragraph = null;
      if (heading.signature.startsWith("#")) continue;
      i = heading.start + 1;
      continue;
    }
    if (line.trim() === "") endParagraph(i - 1);
    else paragraph ??= i;
  }
  endParagraph(lines.length - 1);
  closeTo(1, lines.length - 1);
  return root.children;
}

/** Characters of a heading's name: longer ones are text. */
const LONGEST_NAME = 200;

/** An underlined heading is found at its first line. */
function headingAt(lines: string[], i: number): Heading | null {
  const line = lines[i] ?? "";
  const atx = /^ {0,3}(#{1,6})[ \t]+(\S.*)$/.exec(line);
  if (atx !== null) {
    const name = plainName((atx[2] ?? "").replace(/[ \t]#+[ \t]*\r?$/, ""));
    return name === ""
      ? null
      : { level: atx[1]?.length ?? 1, name, signature: `${atx[1]} ${name}`, start: i };
  }
  const underline = /^ {0,3}(=+|-{2,})[ \t]*\r?$/.exec(lines[i + 1] ?? "")?.[1];
  if (underline === undefined || !/^ {0,3}[^\s#>|*+-]/.test(line) || (lines[i - 1] ?? "").trim() !== "")
    return null;
  const name = plainName(line);
  return name === "" ? null : { level: underline.startsWith("=") ? 1 : 2, name, signature: name, start: i };
}

function plainName(text: string): string {
  const name = text
    .replaceAll(/!?\[([^[\]]*)\]\([^()]*\)/g, "$1")
    .replaceAll(/[`*]/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return name.length > LONGEST_NAME ? "" : name;
}

function sectionOf({ name, signature, start }: Heading, parents: string[]): Block {
  const parent = parents.length === 0 ? null : parents.join(".");
  const definition: Outlined = { name, kind: "section", parent, signature, doc: null, start, end: start };
  return { start, end: start, definitions: [definition], children: [] };
}

const plain = (start: number, end: number): Block => ({ start, end, definitions: [], children: [] });

/** Index of the line that closes a fence, or of the last one. */
function fenceEnd(lines: string[], from: number, fence: string): number {
  for (let i = from + 1; i < lines.length; i++) {
    const close = /^ {0,3}(`{3,}|~{3,})[ \t]*\r?$/.exec(lines[i] ?? "")?.[1];
    if (close !== undefined && close[0] === fence[0] && close.length >= fence.length) return i;
  }
  return lines.length - 1;
}

/** Index of the line after `---` … `---` at the top; 0 without. */
function frontMatterEnd(lines: string[]): number {
  const fence = /^(---|\+\+\+)\s*$/.exec(lines[0] ?? "")?.[1];
  if (fence === undefined) return 0;
  const end = lines.slice(1, 200).findIndex((line) => line.trim() === fence);
  return end < 0 ? 0 : end + 2;
}
