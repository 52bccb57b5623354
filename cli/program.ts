import { readFileSync } from "node:fs";
import { Command } from "commander";
import { registerKeys, registerOperations } from "./commands/admin.ts";
import { registerAsk } from "./commands/ask.ts";
import { registerBackup } from "./commands/backup.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerEval } from "./commands/eval.ts";
import { registerIndex } from "./commands/index-tree.ts";
import { registerLogin } from "./commands/login.ts";
import { registerMcp } from "./commands/mcp.ts";
import { registerSearch } from "./commands/search.ts";
import { registerStatus } from "./commands/status.ts";
import { registerWatch } from "./commands/watch.ts";
import type { Context } from "./context.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** All commands. Each file of `commands/` registers its own. */
export function createProgram(context: Context): Command {
  const program = new Command("devflow")
    .description("Search and ask about a team's code.")
    .version(version)
    .option("--url <url>", "where DevFlow answers (or DEVFLOW_URL)")
    .option("--json", "answer as JSON")
    .option("--verbose", "on failure, show the request's id and the whole problem")
    .showHelpAfterError("--help lists what there is.")
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  devflow login
  devflow index
  devflow search where are settings read
  devflow ask how does indexing recover from a crash

Environment: DEVFLOW_URL and DEVFLOW_KEY go before what \`login\` kept; NO_COLOR leaves out colours.
Exit codes: 0 done, 1 failed or nothing found, 2 wrong usage, 130 interrupted.`,
    );
  registerLogin(program, context);
  registerIndex(program, context);
  registerWatch(program, context);
  registerSearch(program, context);
  registerAsk(program, context);
  registerStatus(program, context);
  registerKeys(program, context);
  registerOperations(program, context);
  registerBackup(program, context);
  registerEval(program, context);
  registerMcp(program, context);
  registerCompletion(program, context);
  // Sub-commands do not inherit it.
  for (const command of allBelow(program)) command.exitOverride();
  return program;
}

function allBelow(command: Command): Command[] {
  return command.commands.flatMap((one) => [one, ...allBelow(one)]);
}
