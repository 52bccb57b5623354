/** Language of a file by its name, in lower-case words that searches filter by; `text` where none is known. */
const BY_EXTENSION: Readonly<Record<string, string>> = {
  ...each("typescript", "ts mts cts"),
  ...each("tsx", "tsx"),
  ...each("javascript", "js mjs cjs jsx"),
  ...each("python", "py pyi pyw"),
  ...each("go", "go"),
  ...each("rust", "rs"),
  ...each("java", "java"),
  ...each("c", "c h"),
  ...each("cpp", "cc cpp cxx c++ hh hpp hxx h++ ipp tpp inl"),
  ...each("csharp", "cs csx"),
  ...each("ruby", "rb rake gemspec ru"),
  ...each("php", "php phtml php5 php7"),
  ...each("kotlin", "kt kts"),
  ...each("swift", "swift"),
  ...each("scala", "scala sc sbt"),
  ...each("bash", "sh bash zsh ksh bats"),
  ...each("powershell", "ps1 psm1 psd1"),
  ...each("css", "css"),
  ...each("scss", "scss sass"),
  ...each("less", "less"),
  ...each("html", "html htm xhtml"),
  ...each("vue", "vue"),
  ...each("svelte", "svelte"),
  ...each("json", "json jsonc json5 webmanifest"),
  ...each("yaml", "yaml yml"),
  ...each("toml", "toml"),
  ...each("xml", "xml xsd xsl xslt svg plist csproj"),
  ...each("sql", "sql"),
  ...each("markdown", "md markdown mdx"),
  ...each("restructuredtext", "rst"),
  ...each("lua", "lua"),
  ...each("perl", "pl pm"),
  ...each("r", "r rmd"),
  ...each("julia", "jl"),
  ...each("haskell", "hs lhs"),
  ...each("elixir", "ex exs"),
  ...each("erlang", "erl hrl"),
  ...each("clojure", "clj cljs cljc edn"),
  ...each("ocaml", "ml mli"),
  ...each("fsharp", "fs fsi fsx"),
  ...each("dart", "dart"),
  ...each("zig", "zig"),
  ...each("nim", "nim"),
  ...each("groovy", "groovy gradle"),
  ...each("objective-c", "m mm"),
  ...each("solidity", "sol"),
  ...each("terraform", "tf tfvars hcl"),
  ...each("protobuf", "proto"),
  ...each("graphql", "graphql gql"),
  ...each("dockerfile", "dockerfile"),
  ...each("makefile", "mk mak"),
  ...each("cmake", "cmake"),
};

const BY_NAME: Readonly<Record<string, string>> = {
  ...each("dockerfile", "dockerfile containerfile"),
  ...each("makefile", "makefile gnumakefile"),
  ...each("cmake", "cmakelists.txt"),
  ...each("ruby", "gemfile rakefile vagrantfile podfile"),
  ...each("groovy", "jenkinsfile"),
  ...each("bash", ".bashrc .bash_profile .zshrc .profile"),
};

function each(language: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, language]));
}

/** The language of a path, such as `typescript`; `text` where the name tells nothing. */
export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return own(BY_NAME, name) ?? own(BY_EXTENSION, extensionOf(path)) ?? "text";
}

/** What follows the last dot of the name, lower-cased; empty without one, and for names such as `.gitignore`. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase();
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

const LANGUAGE_ALIASES: Readonly<Record<string, string>> = {
  "c#": "csharp",
  golang: "go",
  shell: "bash",
  objc: "objective-c",
};

/** A language by its name, or by an extension that it is known by: `ts` is typescript. In lower case. */
export function languageNamed(name: string): string {
  if (Object.hasOwn(LANGUAGE_ALIASES, name)) return LANGUAGE_ALIASES[name] ?? name;
  const known = languageOf(`a.${name}`);
  return known === "text" ? name : known;
}
