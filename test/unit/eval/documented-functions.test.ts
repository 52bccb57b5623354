import { describe, expect, it } from "vitest";
import { withoutDocComments } from "../../../eval/documented-functions.ts";

const TYPESCRIPT = `import x from "x";

/**
 * Adds a {@link Task} to the \`queue\`. More is said here.
 * @param task what is added
 */
export function add(
  task: Task,
): void {
  queue.push(task);
}

/** Not a function. */
const LIMIT = 3;

class Box {
  /** Opens the box. */
  open(key: string): void {
    this.#opened = true;
  }
}
`;

const PYTHON = `def load(path):
    """load reads the file at a path.

    More.
    """
    with open(path) as f:
        return f.read()


def empty():
    """Only words."""
`;

const GO = `// Abort prevents pending handlers from being called.
// More about it.
func (c *Context) Abort() {
	c.index = abortIndex
}
`;

const RUST = `impl A {
    /// Returns the \`path\` of it.
    #[inline]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
`;

describe("withoutDocComments", () => {
  it.each([
    [
      "ts",
      TYPESCRIPT,
      [
        ["Adds a Task to the queue.", "export function add(", "}"],
        ["Opens the box.", "  open(key: string): void {", "  }"],
      ],
    ],
    ["py", PYTHON, [["reads the file at a path.", "def load(path):", "        return f.read()"]]],
    ["go", GO, [["prevents pending handlers from being called.", "func (c *Context) Abort() {", "}"]]],
    ["rs", RUST, [["Returns the path of it.", "    #[inline]", "    }"]]],
  ])(
    "takes the comments out of %s and says where each function then stands",
    (extension, source, expected) => {
      const { source: bare, functions } = withoutDocComments(source, extension);
      const lines = bare.split("\n");
      expect(
        functions.map(({ sentence, startLine, endLine }) => [
          sentence,
          lines[startLine - 1],
          lines[endLine - 1],
        ]),
      ).toEqual(expected);
      for (const { sentence } of functions) expect(bare).not.toContain(sentence.slice(0, 12));
    },
  );

  it("leaves files of other languages as they are", () => {
    expect(withoutDocComments("/** a */\nfoo() {\n}\n", "c")).toEqual({
      source: "/** a */\nfoo() {\n}\n",
      functions: [],
    });
  });
});
