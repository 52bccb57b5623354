import type { Node } from "web-tree-sitter";
import { type Found, found, foundName, type LanguageRules, named } from "./rules.ts";

/** Down a chain of declarators to the name: `int *(*f)(void)` → f. */
function declared(node: Node | null): { name: Node; isFunction: boolean } | null {
  let isFunction = false;
  let at = node;
  for (let depth = 0; at !== null && depth < 20; depth++) {
    if (at.type === "function_declarator") isFunction = true;
    const next: Node | null =
      at.childForFieldName("declarator") ??
      (at.type === "parenthesized_declarator" || at.type === "reference_declarator"
        ? (at.namedChildren[0] ?? null)
        : null);
    if (next === null) return { name: at, isFunction };
    at = next;
  }
  return null;
}

/** `a::Task::run` → run within a.Task. */
function qualified(text: string, kind: Found["kind"], more: Partial<Found> = {}): Found[] {
  const parts = text.replaceAll(/<[^<>]*>/g, "").split("::");
  const name = (parts.pop() ?? "").trim();
  const within = parts.map((part) => part.trim()).filter((part) => part !== "");
  return foundName(name, kind, { ...more, within: within.length === 0 ? null : within.join(".") });
}

function functionDefinition(node: Node): Found[] {
  const name = declared(node.childForFieldName("declarator"))?.name;
  if (name === undefined) return [];
  const isQualified = name.type === "qualified_identifier";
  return qualified(name.text, isQualified ? "method" : "function", { body: node.childForFieldName("body") });
}

function declaration(node: Node): Found[] {
  const inner = declared(node.childForFieldName("declarator"));
  if (inner === null || inner.name.type === "field_declaration") return [];
  return qualified(inner.name.text, inner.isFunction ? "function" : "variable");
}

/** A struct with a body is defined; one without is only mentioned. */
function specified(kind: "class" | "enum"): (node: Node) => Found[] {
  return (node) =>
    node.childForFieldName("body") === null ? [] : found(node.childForFieldName("name"), kind);
}

function typedef(node: Node): Found[] {
  const type = node.childForFieldName("type");
  const kind =
    type?.childForFieldName("body") == null ? "type" : type.type === "enum_specifier" ? "enum" : "class";
  const name = declared(node.childForFieldName("declarator"))?.name ?? null;
  return found(name, kind, { body: type?.childForFieldName("body") ?? null });
}

export const C_FAMILY: LanguageRules = {
  definitions: {
    function_definition: functionDefinition,
    declaration,
    field_declaration: declaration,
    struct_specifier: specified("class"),
    union_specifier: specified("class"),
    class_specifier: specified("class"),
    enum_specifier: specified("enum"),
    type_definition: typedef,
    alias_declaration: named("type"),
    concept_definition: named("type"),
    namespace_definition: (node) => qualifiedNamespace(node),
    preproc_def: named("variable"),
    preproc_function_def: (node) =>
      found(node.childForFieldName("name"), "function", { body: node.childForFieldName("value") }),
  },
  wrappers: ["template_declaration"],
  prefixes: ["attribute_declaration"],
};

function qualifiedNamespace(node: Node): Found[] {
  return foundName((node.childForFieldName("name")?.text ?? "").replaceAll("::", "."), "module");
}
