import type { Node, Tree } from "web-tree-sitter";
import type { ChunkKind } from "../../core/chunk.ts";
import { append, type Block, type Outlined } from "./block.ts";
import { docstringText, docText } from "./doc-text.ts";
import type { Found, LanguageRules } from "./rules.ts";
import { signatureOf } from "./signature.ts";

/** Nodes looked at in one file: more than a megabyte of code has on lines of its own. What is beyond is not taken apart. */
const MAX_NODES = 300_000;
/** Children of one node: a longer list is data. */
const MAX_CHILDREN = 20_000;
/** Nodes within nodes: deeper ones are not taken apart, so that hostile nesting costs nothing. */
const MAX_DEPTH = 200;

/** Definitions that hold methods; functions directly within are methods. */
const HOLDERS = new Set<ChunkKind>(["class", "interface", "enum"]);
/** Nodes whose variables are their own: nobody looks for them from outside. */
const INNER =
  /^(arrow_function|function_expression|generator_function|lambda\w*|closure_expression|func_literal|anonymous_function\w*|statement_block|compound_statement|do_block|function_body|statements|block_expression)$/;
/** Nodes of Kotlin's grammar that take in the comment after them, which belongs to what follows. */
const TAKES_COMMENT = /^(package_header|import_header|import_list)$/;

/** Names around a node, and what it is in. */
interface Surroundings {
  parent: string | null;
  inHolder: boolean;
  inFunction: boolean;
  /** Definitions around. */
  depth: number;
}

/** Comments and decorators that wait for what they belong to. */
interface Pending {
  start: number;
  end: number;
  comments: string[];
  /** First line that is not a comment: a decorator's. */
  head: number | null;
}

interface Frame {
  nodes: Node[];
  next: number;
  around: Surroundings;
  block: Block;
  pending: Pending | null;
  /** Last line of the node before. */
  before: number;
}

/**
 * The blocks of a syntax tree: definitions with their comments, and whatever covers several lines, in place of
 * the lines. Walks with a stack of its own, so that no nesting is too deep for it.
 */
export function outline(tree: Tree, source: string, rules: LanguageRules): Block[] {
  const root: Block = { start: 0, end: Number.MAX_SAFE_INTEGER, definitions: [], children: [] };
  const around = { parent: null, inHolder: false, inFunction: false, depth: 0 };
  const stack: Frame[] = [frameOf(tree.rootNode, root, around)];
  let nodes = 0;
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const node = frame.nodes[frame.next++];
    if (node === undefined) {
      flush(frame);
      stack.pop();
      const outer = stack.at(-1);
      if (outer !== undefined) append(outer.block.children, frame.block);
      continue;
    }
    nodes++;
    if (!node.isNamed) {
      frame.before = node.startPosition.row;
      continue;
    }
    const inner = visit(frame, node, source, rules);
    if (inner === null) continue;
    if (stack.length < MAX_DEPTH && nodes < MAX_NODES && inner.node.childCount <= MAX_CHILDREN) {
      stack.push(frameOf(inner.node, inner.block, inner.around));
    } else append(frame.block.children, inner.block);
  }
  return root.children;
}

function frameOf(node: Node, block: Block, around: Surroundings): Frame {
  return { nodes: node.children, next: 0, around, block, pending: null, before: -1 };
}

/** Takes one node in; what is returned is to be walked, and then appended. */
function visit(
  frame: Frame,
  node: Node,
  source: string,
  rules: LanguageRules,
): { node: Node; block: Block; around: Surroundings } | null {
  const start = node.startPosition.row;
  let end = lastRow(node);
  if (isComment(node) || rules.prefixes?.includes(node.type)) {
    if (start > frame.before) keepFor(frame, node, start, end);
    else if (end > start) append(frame.block.children, leaf(start, end));
    frame.before = end;
    return null;
  }
  const swallowed = TAKES_COMMENT.test(node.type) ? lastComment(node) : null;
  if (swallowed !== null && swallowed.startPosition.row > start) end = swallowed.startPosition.row - 1;

  const attached = frame.pending !== null && frame.pending.end + 1 >= start ? frame.pending : null;
  if (attached === null) flush(frame);
  frame.pending = null;
  frame.before = end;
  if (swallowed !== null) {
    if (end > start || attached !== null) append(frame.block.children, leaf(attached?.start ?? start, end));
    keepFor(frame, swallowed, swallowed.startPosition.row, lastRow(swallowed));
    return null;
  }

  const { inner, found } = whatIsDefined(node, rules);
  const known = found.filter(({ kind }) => kind !== "variable" || !frame.around.inFunction);
  const first = known[0];
  const tooDeep = rules.maxDepth !== undefined && frame.around.depth >= rules.maxDepth;
  if (first === undefined || tooDeep) {
    // On one line nothing is looked for, but what a class on one line holds.
    const within = frame.block.start === start && frame.block.end === start && node.namedChildCount > 0;
    if (end === start && attached === null && !within) return null;
    const block = leaf(attached?.start ?? start, end);
    if (end === start && !within) {
      append(frame.block.children, block);
      return null;
    }
    const inFunction =
      frame.around.inFunction || (INNER.test(node.type) && frame.block.definitions[0]?.kind !== "module");
    return { node, block, around: { ...frame.around, inFunction } };
  }

  const doc = docOf(inner, first, attached, rules);
  const definitions = known.flatMap((one): Outlined[] => {
    if (one.kind === "scope") return [];
    return [
      {
        name: one.name,
        kind: one.kind === "function" && (frame.around.inHolder || hasWithin(one)) ? "method" : one.kind,
        parent: joined(frame.around.parent, one.within ?? null),
        signature: signatureOf(node, inner, one, source),
        doc,
        start: attached?.head ?? start,
        end,
      },
    ];
  });
  const block: Block = { ...leaf(attached?.start ?? start, end), definitions };
  const around = {
    parent: joined(joined(frame.around.parent, first.within ?? null), first.name),
    inHolder: first.kind === "scope" || HOLDERS.has(first.kind),
    inFunction: frame.around.inFunction || first.kind === "function" || first.kind === "method",
    depth: frame.around.depth + 1,
  };
  const isHolder = around.inHolder || first.kind === "module";
  if (end > start || isHolder) return { node: inner, block, around };
  append(frame.block.children, block);
  return null;
}

const hasWithin = ({ within }: Found) => within !== undefined && within !== null;

/** The definition of a node, or of the one node that it wraps. */
function whatIsDefined(node: Node, rules: LanguageRules): { inner: Node; found: Found[] } {
  let inner = node;
  // `export default abstract class` and decorators: three at most stand around.
  for (let depth = 0; depth < 4; depth++) {
    const found = rules.definitions[inner.type]?.(inner) ?? [];
    if (found.length > 0) return { inner, found };
    if (!rules.wrappers?.includes(inner.type)) break;
    const wrapped = inner.namedChildren.filter(
      ({ type }) => type in rules.definitions || rules.wrappers?.includes(type),
    );
    if (wrapped.length !== 1 || wrapped[0] === undefined) break;
    inner = wrapped[0];
  }
  return { inner: node, found: [] };
}

function docOf(inner: Node, { body }: Found, attached: Pending | null, rules: LanguageRules): string | null {
  if (rules.docstrings === true) {
    let first = (body ?? inner.childForFieldName("body"))?.namedChildren[0];
    if (first?.type === "expression_statement") first = first.namedChildren[0];
    if (first?.type === "string") return docstringText(first.text);
  }
  return docText(attached?.comments ?? []);
}

/** Keeps a comment or decorator for what follows, if that stands directly below. */
function keepFor(frame: Frame, node: Node, start: number, end: number): void {
  const { pending } = frame;
  const comments = isComment(node) ? [node.text] : [];
  const head = comments.length === 0 ? start : null;
  if (pending !== null && start <= pending.end + 1) {
    frame.pending = {
      start: pending.start,
      end,
      comments: [...pending.comments, ...comments],
      head: pending.head ?? head,
    };
    return;
  }
  flush(frame);
  frame.pending = { start, end, comments, head };
}

/** What waited in vain: a comment over several lines stays together. */
function flush(frame: Frame): void {
  const { pending } = frame;
  frame.pending = null;
  if (pending !== null && pending.end > pending.start) {
    append(frame.block.children, leaf(pending.start, pending.end));
  }
}

function leaf(start: number, end: number): Block {
  return { start, end, definitions: [], children: [] };
}

const isComment = (node: Node) => node.type.includes("comment");

function lastComment(node: Node): Node | null {
  const last = node.lastNamedChild;
  if (last === null) return null;
  return isComment(last) ? last : lastComment(last);
}

/** Some grammars end a node with its line end: the line after is not part of it. */
function lastRow(node: Node): number {
  const { row, column } = node.endPosition;
  return column === 0 && row > node.startPosition.row ? row - 1 : row;
}

function joined(parent: string | null, name: string | null): string | null {
  if (parent === null || name === null) return parent ?? name;
  return `${parent}.${name}`;
}
