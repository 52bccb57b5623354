import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileWildmatch } from "../../../src/core/wildmatch.ts";
import { IgnoreRules, MAX_IGNORE_PATTERNS } from "../../../src/files/ignore.ts";

const hasGit = spawnSync("git", ["--version"]).status === 0;
if (!hasGit) console.warn("SKIPPED: git is absent; the ignore rules are not compared with it");

/** Those of the paths that git leaves out of a tree with these ignore files. */
function gitIgnores(ignoreFiles: Record<string, string>, paths: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "devflow-ignore-"));
  try {
    const git = (args: string[], input?: string) =>
      spawnSync("git", args, {
        cwd: folder,
        input,
        encoding: "utf8",
        env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
      });
    execFileSync("git", ["init", "-q"], { cwd: folder });
    for (const [path, text] of Object.entries(ignoreFiles)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    // Names that are no files are judged as files; the folders above them as folders.
    const answer = git(
      ["check-ignore", "--no-index", "-z", "--stdin"],
      paths.map((path) => `${path}\0`).join(""),
    );
    if (answer.status !== 0 && answer.status !== 1) throw new Error(answer.stderr);
    return answer.stdout.split("\0").filter((path) => path !== "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ourIgnores(ignoreFiles: Record<string, string>, paths: readonly string[]): string[] {
  const rules = new IgnoreRules({ defaults: false });
  for (const [path, text] of Object.entries(ignoreFiles)) rules.add(path, text);
  return paths.filter((path) => rules.excludes(path));
}

interface Tree {
  rules: Record<string, string>;
  paths: string[];
}

/** Each tree in a folder of its own, so that git is asked once. */
function compareTrees(trees: readonly Tree[]): void {
  const below = (i: number, path: string) => `tree${i}/${path}`;
  const rules = Object.fromEntries(
    trees.flatMap((tree, i) => Object.entries(tree.rules).map(([path, text]) => [below(i, path), text])),
  );
  const git = new Set(
    gitIgnores(
      rules,
      trees.flatMap((tree, i) => tree.paths.map((path) => below(i, path))),
    ),
  );
  for (const [i, tree] of trees.entries()) {
    const expected = tree.paths.filter((path) => git.has(below(i, path)));
    expect({ ...tree, ignored: ourIgnores(tree.rules, tree.paths) }).toEqual({ ...tree, ignored: expected });
  }
}

/** A tree with something for each rule of gitignore(5), and for each corner of git's own code. */
const ODD_RULES = {
  ".gitignore": [
    "\uFEFF# a comment after a byte order mark",
    "*.log",
    "!important.log",
    "/anchored.txt",
    "folder-only/",
    "docs/*.md",
    "**/deep/x",
    "mid/**/leaf",
    "all/**",
    "!all/**/keep/",
    "a**b",
    "pre**/post",
    "q?z",
    "caf?",
    "set[0-9]x",
    "not[!a-c]x",
    "neg[^a]y",
    "]x[]]",
    "rng[]-a]z",
    "cls[[:digit:][:upper:]]w",
    "bad[[:nope:]]w",
    "open[abc",
    "trail   ",
    "kept\\ ",
    "\\#hash",
    "\\!bang",
    "back\\\\slash",
    "star\\*lit",
    "end\\",
    "UPPER",
    "cr.txt\r",
    "/rooted/*/two",
    "**/",
    "!*/",
    "node_*",
    "!node_modules",
    "/*.cfg",
    "!/keep.cfg",
    "x/***/y",
    "***.tri",
    "ü*",
    "日本/",
    "double//slash",
    "/",
    "!",
    "",
    "  lead",
    "tab\t",
    "w/[a/b]/z",
    ".*",
    "!.gitignore",
    "*.[oa]",
    "dir.d/",
    "esc\\aped",
    "a/b/c/",
    "only/dir/*",
    "!only/dir/this",
  ].join("\n"),
  "sub/.gitignore": "!*.log\n/anchored.txt\nnested/\n!docs/*.md\n*.tmp\n",
  "sub/nested/.gitignore": "!*\n",
  "sub/again/.gitignore": "*\n!.gitignore\n!*.ts\n",
  "folder-only/.gitignore": "!kept\n",
  "sub/deeper/.gitignore": "*.ts\n!a.ts\n../up.ts\n./here.ts\n",
};
const ODD_PATHS =
  `a.log important.log x/important.log x/a.log anchored.txt sub/anchored.txt sub/x/anchored.txt
x/anchored.txt folder-only/kept folder-only/x/y f/folder-only docs/a.md docs/x/a.md sub/docs/a.md deep/x y/deep/x
y/deep/x/z mid/leaf mid/a/leaf mid/a/b/leaf midleaf all/x all/keep/y all/z/keep/y aXb a/b aXXb/c pre/post
prepost pre/x/post preX/post qaz q/z qz café cafe cafee set1x setax notdx notax negby negay ]x] rng]z rng-z rngaz rngbz
cls1w clsAw clsaw bad1w opena open[abc trail trailx kept #hash !bang back\\slash star*lit starXlit end end\\ UPPER
upper cr.txt rooted/a/two rooted/a/b/two rooted/two node_modules/x node_other/x a.cfg keep.cfg x/a.cfg x/y x/a/y x/a/b/y
one.tri über üb/x 日本/x x/日本/y 日本x double/slash lead w/a/z w/b/z w/c/z .hidden .gitignore sub/.gitignore x/.env
lib.o lib.a lib.c dir.d/x x/dir.d escaped a/b/c a/b/c/d z/a/b/c/d only/dir/this only/dir/that only/dir/sub/this
sub/a.log sub/x/a.log sub/nested/a.ts sub/a.tmp sub/again/x.js sub/again/x.ts sub/again/y/x.ts sub/deeper/a.ts
sub/deeper/b.ts sub/deeper/c/a.ts sub/deeper/here.ts sub/up.ts`
    .split(/\s+/)
    .concat(["kept ", "  lead", "tab\t", "trail   ", "a b", "open[abc/x"]);

/** Files only: a name cannot be a file and a folder at once. */
function filesOf(paths: readonly string[], ignoreFiles: Record<string, string>): string[] {
  const all = new Set([...paths, ...Object.keys(ignoreFiles)]);
  const folders = new Set(
    [...all].flatMap((path) => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index))),
  );
  return [...all].filter((path) => !folders.has(path));
}

describe.skipIf(!hasGit)("IgnoreRules beside git check-ignore", () => {
  it("leaves out what git leaves out of a tree full of odd cases", () => {
    const paths = filesOf(ODD_PATHS, ODD_RULES);
    expect(ourIgnores(ODD_RULES, paths)).toEqual(gitIgnores(ODD_RULES, paths));
  });

  it("answers each odd pattern by itself as git does", () => {
    const trees = ODD_RULES[".gitignore"].split("\n").map((pattern) => ({ ".gitignore": `${pattern}\n` }));
    compareTrees(trees.map((rules) => ({ rules, paths: filesOf(ODD_PATHS, {}) })));
  });

  it("agrees with git on patterns made at random", () => {
    const atom = fc.constantFrom(
      "a",
      "b",
      "ab",
      "*",
      "**",
      "?",
      "/",
      "[ab]",
      "[!a]",
      "[a-b]",
      "\\a",
      "!",
      ".",
    );
    const line = fc.array(atom, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
    const lines = fc.array(line, { minLength: 1, maxLength: 4 }).map((all) => all.join("\n"));
    const segment = fc.constantFrom("a", "b", "ab", "ba", "aab", ".a");
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    const names = fc.array(path, { minLength: 20, maxLength: 20 });
    const trees = fc.tuple(lines, lines, names).map(([root, nested, all]) => {
      const rules = { ".gitignore": root, "a/.gitignore": nested };
      return {
        rules,
        paths: filesOf(
          all.flatMap((name) => [`a/${name}`, `c/${name}`]),
          rules,
        ),
      };
    });
    compareTrees(fc.sample(trees, 300));
  });
});

describe("IgnoreRules", () => {
  const verdict = (rules: IgnoreRules, path: string) => rules.check(path)?.reason ?? null;

  it("lets .devflowignore win over every .gitignore, and both over the defaults", () => {
    const rules = new IgnoreRules({ defaults: { root: null } });
    rules.add("src/.gitignore", "*.sql\n!package-lock.json\n");
    rules.add(".devflowignore", "!*.sql\nsecret.ts\n!dist/\n");
    expect(verdict(rules, "src/a.sql")).toBe(null);
    expect(verdict(rules, "src/secret.ts")).toBe("ignored");
    expect(verdict(rules, "src/package-lock.json")).toBe(null);
    expect(verdict(rules, "package-lock.json")).toBe("generated");
    expect(verdict(rules, "dist/main.js")).toBe(null);
    expect(rules.check("src/secret.ts")?.message).toBe("Left out by .devflowignore, line 2 (secret.ts).");
  });

  it("leaves out by default what others wrote and what tools make", () => {
    const rules = new IgnoreRules({ defaults: { root: null } });
    const reasons = {
      ignored:
        "node_modules/x/index.js a/node_modules/x vendor/lib.go .git/config a/__pycache__/x.py .venv/bin/a.py",
      generated:
        "package-lock.json a/yarn.lock dist/a.js build/a.js target/debug/a x.min.js a.js.map a.pb.go a/go.sum",
      taken:
        "src/build/index.ts a/target/Main.java bin/cli.ts lib/vendor.ts src/out/a.ts locks/package.json build.ts",
    };
    for (const [reason, paths] of Object.entries(reasons)) {
      const expected = paths.split(" ").map((path) => `${path}: ${reason === "taken" ? null : reason}`);
      expect(paths.split(" ").map((path) => `${path}: ${verdict(rules, path)}`)).toEqual(expected);
    }
    expect(new IgnoreRules({ defaults: false }).check("node_modules/x")).toBe(null);
  });

  it("counts defaults from the folder that an upload names, and keeps ignore files", () => {
    const rules = new IgnoreRules({ defaults: { root: "vendor/ours" } });
    rules.add(".gitignore", ".*\ngone/\n");
    expect(verdict(rules, "vendor/ours/a.ts")).toBe(null);
    expect(verdict(rules, "vendor/ours/build/a.ts")).toBe("generated");
    expect(verdict(rules, "vendor/ours/x/vendor/a.ts")).toBe("ignored");
    expect(verdict(rules, "a/.gitignore")).toBe(null);
    expect(verdict(rules, "gone/.gitignore")).toBe("ignored");
    expect(verdict(rules, ".env")).toBe("ignored");
  });

  it("bounds the patterns that it takes", () => {
    const rules = new IgnoreRules({ defaults: false });
    expect(rules.add("a/.gitignore", "x*y\n".repeat(MAX_IGNORE_PATTERNS))).toBe(true);
    expect(rules.add("b/.gitignore", "z\n")).toBe(false);
    expect(rules.add("a/.gitignore", "x\n")).toBe(true);
    expect(rules.add("b/.gitignore", "z\n")).toBe(true);
  });

  it("refuses to follow patterns that are made to take long", () => {
    const rules = new IgnoreRules({ defaults: false, maxSteps: 20_000_000 });
    rules.add(".gitignore", `*${"a".repeat(500)}b\n`.repeat(60));
    const ask = () => {
      for (let i = 0; i < 20; i++) rules.check(`${"a".repeat(1000)}${i}`);
    };
    expect(ask).toThrow(expect.objectContaining({ code: "unsupported_pattern" }));
  });

  it("takes a hundredth of the steps that it may for ten thousand files of an ordinary tree", () => {
    const rules = new IgnoreRules({ defaults: { root: null }, maxSteps: 10_000_000 });
    rules.add(
      ".gitignore",
      "*.py[cod]\n*.so\ncmake-build-*/\n.idea/**/tasks.xml\n**/*.tmp.*\nlogs/*-debug.log\n",
    );
    for (let i = 0; i < 10_000; i++) {
      expect(rules.check(`packages/package-${i % 100}/src/components/component-${i}.tsx`)).toBeNull();
    }
  });

  it("takes its time from the lengths alone, whatever the pattern", () => {
    const hostile = ["**/a/*/".repeat(12), "*[a-b]*?a".repeat(12), "*a".repeat(40), "**/".repeat(60)];
    for (const pattern of hostile) {
      const matches = compileWildmatch(`${pattern}q`);
      const started = performance.now();
      expect(matches?.(`${"a".repeat(200)}${"/a/b".repeat(200)}/qz`)).toBe(false);
      expect(performance.now() - started).toBeLessThan(200);
    }
  });
});
