import type { Node } from "web-tree-sitter";
import { type Found, found, foundName, type LanguageRules } from "./rules.ts";

/** Formats whose definitions are sections of the text: by key, by selector, by id. */

/** A key that holds several lines, or stands at the top: `"version": 1` deep inside is not asked for by name. */
function keyed(node: Node): Found[] {
  const key = (node.childForFieldName("key")?.text ?? "").replaceAll(/^["']|["']$/g, "");
  const value = node.childForFieldName("value");
  const isLong = node.endPosition.row > node.startPosition.row;
  return isLong || isAtTop(node) ? foundName(key, "section", { body: isLong ? value : null }) : [];
}

/** Types around a key that stands in the document itself. */
const TOP = new Set([
  "document",
  "object",
  "stream",
  "block_node",
  "block_mapping",
  "flow_node",
  "flow_mapping",
]);

function isAtTop(node: Node): boolean {
  let at = node.parent;
  while (at !== null && TOP.has(at.type)) at = at.parent;
  return at === null;
}

/** An element with an id, by that. */
function element(node: Node): Found[] {
  const tag = node.namedChildren[0];
  for (const attribute of tag?.namedChildren ?? []) {
    if (attribute.type !== "attribute" || attribute.namedChildren[0]?.text.toLowerCase() !== "id") continue;
    const value = attribute.namedChildren[1]?.text.replaceAll(/^["']|["']$/g, "") ?? "";
    return foundName(value, "section", { body: tag?.nextSibling ?? null });
  }
  return [];
}

function rule(node: Node): Found[] {
  const selectors = node.namedChildren.find(({ type }) => type === "selectors");
  const body = node.namedChildren.find(({ type }) => type === "block") ?? null;
  return foundName((selectors?.text ?? "").replaceAll(/\s+/g, " "), "section", { body });
}

export const DATA_RULES = {
  json: { definitions: { pair: keyed }, maxDepth: 3 },
  html: { definitions: { element } },
  css: {
    definitions: {
      rule_set: rule,
      keyframes_statement: (node) =>
        found(node.namedChildren.find(({ type }) => type === "keyframes_name") ?? null, "section"),
    },
  },
} satisfies Record<string, LanguageRules>;
