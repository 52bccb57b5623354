import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { createContext } from "../../../cli/context.ts";
import { apiPath, plain } from "../../../cli/format.ts";
import { createProgram } from "../../../cli/program.ts";
import { cliPage, commandsOf, helpOf } from "../../../scripts/docs/cli-page.ts";

const program = createProgram(createContext(new AbortController().signal));

describe("devflow --help", () => {
  it.each(commandsOf(program).map((command) => [command.name(), command] as const))(
    "has an example of %s",
    (name, command) => {
      expect(helpOf(command)).toMatch(new RegExp(`Examples:[\\s\\S]*devflow[^\\n]*${name}`));
    },
  );

  it("lists every command that people were promised", () => {
    const names = program.commands.map((command) => command.name());
    expect(names).toEqual(
      expect.arrayContaining(
        "login index watch search grep symbol similar ask status jobs keys events usage backup checklist eval mcp completion".split(
          " ",
        ),
      ),
    );
  });

  it("is what docs/cli.md says: `npm run docs` writes it anew", () => {
    expect(readFileSync(resolve(import.meta.dirname, "../../../docs/cli.md"), "utf8")).toBe(cliPage());
  });
});

describe("paths that are typed", () => {
  it.each([
    ["src\\auth\\password.ts", "src/auth/password.ts"],
    [".\\src\\", "src"],
    ["./src/", "src"],
    ["src", "src"],
    ["", ""],
  ])("turns %s into %s", (typed, sent) => {
    expect(apiPath(typed)).toBe(sent);
  });
});

it("lets no text steer the terminal", () => {
  expect(plain("a\u001b[31mb\u0007\tc\n")).toBe("a�[31mb�\tc\n");
});
