import type { Node } from "web-tree-sitter";
import { SIGNATURE_CHARACTERS } from "../../core/chunk.ts";
import type { Found } from "./rules.ts";
import { truncate } from "./truncate.ts";

/** Units of source that a head is looked for in. */
const LONGEST_HEAD = 4000;
const BODY =
  /(^|_)(body|block)$|^(declaration_list|compound_statement|template_body|enum_variant_list|field_declaration_list|enum_member_declaration_list|enum_declaration_list|block_mapping|body_statement)$/;
/** Stand in front of a head without being part of it. */
const PREFIX = /^(decorator|attribute_list|marker_annotation|annotation)$/;

/**
 * The head of a definition on one line: from its first keyword (`export` included, decorators not) to where its body
 * begins.
 * @param outer what wraps the definition, or the definition itself.
 */
export function signatureOf(outer: Node, inner: Node, { body }: Found, source: string): string | null {
  let start = outer.type === "decorated_definition" ? inner.startIndex : outer.startIndex;
  for (const node of outer === inner ? [inner] : [outer, inner]) {
    for (const child of node.children) {
      if (!PREFIX.test(child.type)) break;
      if (child.endIndex > start) start = child.endIndex;
    }
  }
  const end = (body ?? bodyOf(inner))?.startIndex ?? inner.endIndex;
  const head = source
    .slice(start, Math.min(Math.max(end, start), start + LONGEST_HEAD))
    .replaceAll(/\s+/gu, " ")
    .trim()
    .replace(/(?:\s*(?:\{|=>|:=|=|:|;|,|\bthen|\bdo))+$/, "")
    .trim();
  return head === "" ? null : truncate(head, SIGNATURE_CHARACTERS);
}

function bodyOf(node: Node): Node | null {
  const body = node.childForFieldName("body");
  if (body !== null) return body;
  const last = node.lastNamedChild;
  return last !== null && BODY.test(last.type) ? last : null;
}
