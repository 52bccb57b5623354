import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { createContext } from "../../cli/context.ts";
import { createProgram } from "../../cli/program.ts";
import { PROJECT } from "../stack/wrangler.ts";

/** Columns, so that every machine writes the same. */
const WIDTH = 100;

/** All commands with their sub-commands, in the order of `--help`. */
export function commandsOf(program: Command): Command[] {
  const below = (command: Command): Command[] => [command, ...command.commands.flatMap(below)];
  return program.commands.flatMap(below);
}

/** What `--help` prints, without colours. */
export function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}

/** `docs/cli.md`: what the command itself says, so that it cannot lag behind. */
export function cliPage(): string {
  const program = createProgram(createContext(new AbortController().signal));
  const title = (command: Command): string =>
    command.parent === null ? command.name() : `${title(command.parent)} ${command.name()}`;
  const sections = commandsOf(program).map(
    (command) => `## ${title(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`,
  );
  return `# The command line

\`devflow\` brings folders into a workspace and searches them. Within DevFlow's folder it is \`npx devflow\`; \`npm link\`
there makes it \`devflow\` everywhere. \`npm run docs\` writes this page from the command's own \`--help\`.

- **Where it goes.** \`--url\`, else \`DEVFLOW_URL\`, else what \`devflow login\` kept; the key from \`DEVFLOW_KEY\`, else from
  there. The file (\`login.json\` in the user's configuration folder, or in \`DEVFLOW_CONFIG\`) is readable by you alone, and
  its key is never sent to another URL.
- **Output.** Results go to standard output, all else to standard error. \`--json\` gives what the API gave. Colours only
  on a terminal, and never with \`NO_COLOR\`. Without a terminal, and with \`CI\` set, there are no bars and no questions.
- **Interrupted.** CTRL-C ends with 130. Nothing is lost: \`index\` sends only what is missing when it runs again, a job
  goes on in the server, a download goes on where it was cut off.
- **Errors** say what happened and what to do. \`--verbose\` adds the request's id and the whole problem.
- **Paths** of Windows are turned: \`src\\auth\` is \`src/auth\`.

\`\`\`text
${helpOf(program)}
\`\`\`

${sections.join("\n")}`;
}

if (import.meta.main) {
  writeFileSync(join(PROJECT, "docs/cli.md"), cliPage());
  console.log("docs/cli.md is written.");
}
