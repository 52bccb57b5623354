import type { Node } from "web-tree-sitter";
import type { GrammarName } from "./grammars.ts";
import { each, type Found, firstOf, found, foundName, type LanguageRules, named } from "./rules.ts";
import { C_FAMILY } from "./rules-c.ts";
import { DATA_RULES } from "./rules-data.ts";
import { ECMASCRIPT } from "./rules-ecmascript.ts";

/** `a = 1` with a plain name on the left. */
function assigned(node: Node): Found[] {
  const left = node.childForFieldName("left");
  return left?.type === "identifier" || left?.type === "constant" ? found(left, "variable") : [];
}

const PYTHON: LanguageRules = {
  definitions: {
    function_definition: named("function"),
    class_definition: named("class"),
    type_alias_statement: (node) => found(node.childForFieldName("left"), "type"),
    expression_statement: each(["assignment"], assigned),
  },
  wrappers: ["decorated_definition"],
  docstrings: true,
};

const GO: LanguageRules = {
  definitions: {
    function_declaration: named("function"),
    method_declaration: (node) => {
      const receiver = node.childForFieldName("receiver")?.text ?? "";
      // `(t *Task[T])` → Task
      const within = /([\p{L}_][\p{L}\p{N}_]*)\s*(?:\[[^\]]*\])?\s*\)$/u.exec(receiver)?.[1] ?? null;
      return found(node.childForFieldName("name"), "method", { within });
    },
    type_spec: (node) => {
      const type = node.childForFieldName("type");
      const kind =
        type?.type === "struct_type" ? "class" : type?.type === "interface_type" ? "interface" : "type";
      return found(node.childForFieldName("name"), kind, {
        body: kind === "type" ? null : (type?.lastChild ?? null),
      });
    },
    type_alias: named("type"),
    const_spec: named("variable"),
    var_spec: named("variable"),
  },
  wrappers: ["type_declaration", "const_declaration", "var_declaration", "var_spec_list"],
};

const RUST: LanguageRules = {
  definitions: {
    function_item: named("function"),
    function_signature_item: named("function"),
    struct_item: named("class"),
    union_item: named("class"),
    enum_item: named("enum"),
    trait_item: named("interface"),
    mod_item: named("module"),
    type_item: named("type"),
    associated_type: named("type"),
    const_item: named("variable"),
    static_item: named("variable"),
    macro_definition: named("function"),
    impl_item: (node) => {
      const type = (node.childForFieldName("type")?.text ?? "").replace(/<[\s\S]*$/, "");
      return foundName(type.split("::").at(-1) ?? "", "scope");
    },
  },
  prefixes: ["attribute_item"],
};

const JAVA: LanguageRules = {
  definitions: {
    class_declaration: named("class"),
    record_declaration: named("class"),
    interface_declaration: named("interface"),
    annotation_type_declaration: named("interface"),
    enum_declaration: named("enum"),
    method_declaration: named("method"),
    constructor_declaration: named("method"),
    compact_constructor_declaration: named("method"),
    field_declaration: each(["variable_declarator"], named("variable")),
    constant_declaration: each(["variable_declarator"], named("variable")),
  },
};

const C_SHARP: LanguageRules = {
  definitions: {
    namespace_declaration: named("module"),
    file_scoped_namespace_declaration: named("module"),
    class_declaration: named("class"),
    struct_declaration: named("class"),
    record_declaration: named("class"),
    record_struct_declaration: named("class"),
    interface_declaration: named("interface"),
    enum_declaration: named("enum"),
    delegate_declaration: named("type"),
    method_declaration: named("method"),
    constructor_declaration: named("method"),
    local_function_statement: named("function"),
    property_declaration: named("variable"),
    event_declaration: named("variable"),
    field_declaration: each(["variable_declaration"], each(["variable_declarator"], named("variable"))),
    event_field_declaration: each(["variable_declaration"], each(["variable_declarator"], named("variable"))),
  },
};

const RUBY: LanguageRules = {
  definitions: {
    module: named("module"),
    class: named("class"),
    method: named("method"),
    singleton_method: named("method"),
    assignment: (node) => {
      const left = node.childForFieldName("left");
      return left?.type === "constant" ? found(left, "variable") : [];
    },
  },
};

const PHP: LanguageRules = {
  definitions: {
    namespace_definition: (node) =>
      foundName((node.childForFieldName("name")?.text ?? "").replaceAll("\\", "."), "module"),
    class_declaration: named("class"),
    interface_declaration: named("interface"),
    trait_declaration: named("class"),
    enum_declaration: named("enum"),
    function_definition: named("function"),
    method_declaration: named("method"),
    const_declaration: each(["const_element"], firstOf("variable", "name")),
    property_declaration: each(["property_element"], (node) =>
      foundName((node.childForFieldName("name")?.text ?? "").replace(/^\$/, ""), "variable"),
    ),
  },
};

const KOTLIN: LanguageRules = {
  definitions: {
    class_declaration: (node) => {
      const word = node.children.find(({ type }) => type === "interface" || type === "enum")?.type;
      const kind = word === "interface" || word === "enum" ? word : "class";
      return firstOf(kind, "type_identifier")(node);
    },
    object_declaration: firstOf("class", "type_identifier"),
    companion_object: () => [],
    function_declaration: firstOf("function", "simple_identifier"),
    secondary_constructor: () => foundName("constructor", "method"),
    type_alias: firstOf("type", "type_identifier"),
    property_declaration: each(["variable_declaration"], firstOf("variable", "simple_identifier")),
  },
};

const SWIFT: LanguageRules = {
  definitions: {
    class_declaration: (node) => {
      const word = node.childForFieldName("declaration_kind")?.text;
      const kind = word === "extension" ? "scope" : word === "enum" ? "enum" : "class";
      return found(node.childForFieldName("name"), kind);
    },
    protocol_declaration: named("interface"),
    function_declaration: named("function"),
    protocol_function_declaration: named("function"),
    init_declaration: (node) => foundName("init", "method", { body: node.childForFieldName("body") }),
    typealias_declaration: named("type"),
    property_declaration: named("variable"),
  },
};

const SCALA: LanguageRules = {
  definitions: {
    class_definition: named("class"),
    object_definition: named("class"),
    trait_definition: named("interface"),
    enum_definition: named("enum"),
    function_definition: named("function"),
    function_declaration: named("function"),
    type_definition: named("type"),
    given_definition: named("variable"),
    val_definition: (node) => {
      const name = node.childForFieldName("pattern");
      return name?.type === "identifier" ? found(name, "variable") : [];
    },
    package_object: named("module"),
  },
};

const BASH: LanguageRules = {
  definitions: {
    function_definition: named("function"),
    variable_assignment: named("variable"),
    declaration_command: each(["variable_assignment"], named("variable")),
  },
};

/** The rules of each grammar. */
export const RULES: Readonly<Record<GrammarName, LanguageRules>> = {
  bash: BASH,
  c: C_FAMILY,
  c_sharp: C_SHARP,
  cpp: C_FAMILY,
  go: GO,
  java: JAVA,
  javascript: ECMASCRIPT,
  kotlin: KOTLIN,
  php: PHP,
  python: PYTHON,
  ruby: RUBY,
  rust: RUST,
  scala: SCALA,
  swift: SWIFT,
  tsx: ECMASCRIPT,
  typescript: ECMASCRIPT,
  ...DATA_RULES,
};
