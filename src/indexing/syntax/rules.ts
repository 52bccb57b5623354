import type { Node } from "web-tree-sitter";
import type { ChunkKind } from "../../core/chunk.ts";

/** What a node defines. `scope`: nothing by itself, but a name for what is inside. */
export interface Found {
  name: string;
  kind: ChunkKind | "scope";
  /** Names between the enclosing definition and this one: the receiver of a Go method, `Task` of `Task::run`. */
  within?: string | null;
  /** Where the head ends; where absent, the node's own body. */
  body?: Node | null;
}

/** What one node defines: nothing, one thing, or several (`const a = 1, b = 2`). */
export type Describe = (node: Node) => Found[];

/** How definitions look in the trees of one language. */
export interface LanguageRules {
  /** By type of node. */
  definitions: Readonly<Record<string, Describe>>;
  /** Types that stand around a definition and belong to it: `export`, decorators. */
  wrappers?: readonly string[];
  /** Types, beside comments, that stand in front of a definition and belong to it. */
  prefixes?: readonly string[];
  /** Whether the first string of a body is its documentation. */
  docstrings?: boolean;
  /** Depth of definitions within definitions that is told; deeper ones are part of their parent. */
  maxDepth?: number;
}

/** The field `name`, which most grammars have. */
export function named(kind: ChunkKind | "scope"): Describe {
  return (node) => found(node.childForFieldName("name"), kind);
}

/** The first child of one of the types: for grammars without fields. */
export function firstOf(kind: ChunkKind | "scope", ...types: string[]): Describe {
  return (node) => found(node.namedChildren.find((child) => types.includes(child.type)) ?? null, kind);
}

/** Each child of one of the types, by its own rule. */
export function each(types: readonly string[], describe: Describe): Describe {
  return (node) => node.namedChildren.filter((child) => types.includes(child.type)).flatMap(describe);
}

/** Name with kind; a name that is not one line is none. */
export function found(name: Node | null, kind: Found["kind"], more: Partial<Found> = {}): Found[] {
  return foundName(name?.text ?? "", kind, more);
}

export function foundName(text: string, kind: Found["kind"], more: Partial<Found> = {}): Found[] {
  const name = text.trim();
  if (name === "" || name.length > MAX_NAME || name.includes("\n")) return [];
  return [{ name, kind, ...more }];
}

/** UTF-16 units: what is longer is an expression or data, and nobody asks for it by name. */
const MAX_NAME = 200;
