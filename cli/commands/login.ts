import { input, password } from "@inquirer/prompts";
import type { Command } from "commander";
import { DevFlowClient } from "../../client/client.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { CliError } from "../failure.ts";
import { forgetLogin, writeLogin } from "../settings.ts";

const LOCAL_URL = "http://127.0.0.1:8000";

export function registerLogin(program: Command, context: Context): void {
  program
    .command("login")
    .description("check URL and API key, and keep them for later commands")
    .option("--key-stdin", "read the key from standard input instead of asking")
    .addHelpText(
      "after",
      `
The key is kept in the configuration folder of your user, readable by you alone. DEVFLOW_URL and DEVFLOW_KEY go before.

Examples:
  devflow login
  devflow login --url https://devflow.example.com
  node -p 'JSON.parse(fs.readFileSync(".devflow/local.json")).api_key' | devflow login --url http://127.0.0.1:8000 --key-stdin`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { keyStdin?: boolean }>();
      const ask = { output: process.stderr };
      if (!context.interactive && !options.keyStdin) {
        throw new CliError(
          "There is no terminal to ask for the key.",
          "Give it on standard input, with --key-stdin.",
        );
      }
      const fallback = process.env["DEVFLOW_URL"] ?? LOCAL_URL;
      const url =
        options.url ??
        (options.keyStdin ? fallback : await input({ message: "URL", default: fallback }, ask));
      if (!URL.canParse(url)) throw new CliError(`${url} is not a URL.`, `Such as ${LOCAL_URL}`);
      const key = options.keyStdin
        ? await readStdin()
        : await password({ message: "API key", mask: true }, ask);
      const client = new DevFlowClient({ url, key: key.trim(), retries: 0 });
      const { workspace, scopes, kind } = await client.whoami(context.signal);
      if (kind === "root") {
        throw new CliError(
          "This is the root key, which reads no code.",
          "Log in with a workspace's API key.",
        );
      }
      const file = writeLogin({ url: client.url, key: key.trim() });
      context.note(
        `Logged in to ${workspace?.name ?? "a workspace"} at ${client.url} (${scopes.join(", ")}).`,
      );
      context.note(`Kept in ${file}, readable by you alone.`);
    });
  program
    .command("logout")
    .description("forget URL and API key")
    .addHelpText("after", "\nExamples:\n  devflow logout")
    .action(() => {
      forgetLogin();
      context.note("Forgotten.");
    });
}

async function readStdin(): Promise<string> {
  let text = "";
  for await (const part of process.stdin) text += String(part);
  return text;
}
