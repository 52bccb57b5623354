import type { Node } from "web-tree-sitter";
import { type Found, found, foundName, type LanguageRules, named } from "./rules.ts";

const FUNCTIONS = new Set(["arrow_function", "function_expression", "function", "generator_function"]);

/** `const run = () => …` defines a function, `const MAX = 3` a variable. */
function declarators(node: Node): Found[] {
  return node.namedChildren.flatMap((child) => {
    if (child.type !== "variable_declarator") return [];
    const name = child.childForFieldName("name");
    if (name?.type !== "identifier") return [];
    return valued(name, child.childForFieldName("value"), "function");
  });
}

function valued(name: Node | null, value: Node | null, kindOfFunction: "function" | "method"): Found[] {
  if (value !== null && FUNCTIONS.has(value.type)) {
    return found(name, kindOfFunction, { body: value.childForFieldName("body") });
  }
  if (value?.type === "class") return found(name, "class", { body: value.childForFieldName("body") });
  return found(name, "variable", { body: isLong(value) ? value : null });
}

const isLong = (node: Node | null) => node !== null && node.endPosition.row > node.startPosition.row;

function field(node: Node): Found[] {
  const name = node.childForFieldName("name") ?? node.childForFieldName("property");
  return valued(name, node.childForFieldName("value"), "method");
}

/** `{ run: () => … }`; a pair of plain data defines nothing. */
function pair(node: Node): Found[] {
  const value = node.childForFieldName("value");
  if (value === null || !FUNCTIONS.has(value.type)) return [];
  const key = node.childForFieldName("key")?.text.replaceAll(/^["'`]|["'`]$/g, "") ?? "";
  return foundName(key, "method", { body: value.childForFieldName("body") });
}

/** `exports.run = function …`, `Task.prototype.run = …`. */
function assignment(node: Node): Found[] {
  const expression = node.namedChildren[0];
  if (expression?.type !== "assignment_expression") return [];
  const left = expression.childForFieldName("left");
  const right = expression.childForFieldName("right");
  if (left?.type !== "member_expression" || right === null) return [];
  if (!FUNCTIONS.has(right.type) && right.type !== "class") return [];
  const object = (left.childForFieldName("object")?.text ?? "").replace(/^(module\.)?exports\.?|^this$/, "");
  const within = object.replace(/\.?prototype$/, "");
  const name = left.childForFieldName("property");
  const kind = right.type === "class" ? "class" : within === "" ? "function" : "method";
  return found(name, kind, { within: within === "" ? null : within, body: right.childForFieldName("body") });
}

const unquoted = (text: string) => text.replaceAll(/^["'`]|["'`]$/g, "");

export const ECMASCRIPT: LanguageRules = {
  definitions: {
    function_declaration: named("function"),
    generator_function_declaration: named("function"),
    function_signature: named("function"),
    class_declaration: named("class"),
    abstract_class_declaration: named("class"),
    method_definition: named("method"),
    abstract_method_signature: named("method"),
    interface_declaration: named("interface"),
    type_alias_declaration: named("type"),
    enum_declaration: named("enum"),
    internal_module: named("module"),
    module: (node) => foundName(unquoted(node.childForFieldName("name")?.text ?? ""), "module"),
    lexical_declaration: declarators,
    variable_declaration: declarators,
    public_field_definition: field,
    field_definition: field,
    pair,
    expression_statement: assignment,
  },
  wrappers: ["export_statement", "ambient_declaration", "expression_statement"],
  prefixes: ["decorator"],
};
