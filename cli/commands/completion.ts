import type { Command } from "commander";
import type { Context } from "../context.ts";
import { CliError } from "../failure.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

interface Words {
  name: string;
  description: string;
  options: string[];
  subcommands: string[];
}

export function registerCompletion(program: Command, context: Context): void {
  program
    .command("completion")
    .description("print a completion script for a shell")
    .argument("<shell>", SHELLS.join(", "))
    .addHelpText(
      "after",
      `
Examples:
  devflow completion bash >> ~/.bashrc
  devflow completion zsh > "\${fpath[1]}/_devflow"
  devflow completion fish > ~/.config/fish/completions/devflow.fish`,
    )
    .action((shell: string) => {
      if (!(SHELLS as readonly string[]).includes(shell)) {
        throw new CliError(`There is no completion for ${shell}.`, `One of ${SHELLS.join(", ")}.`);
      }
      context.print(scriptFor(shell as Shell, wordsOf(program)));
    });
}

function wordsOf(program: Command): Words[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.options.map(({ long, short }) => long ?? short ?? ""),
    subcommands: command.commands.map((one) => one.name()),
  }));
}

/** Made of the commands themselves, so that it cannot lag behind them. */
function scriptFor(shell: Shell, commands: readonly Words[]): string {
  const names = commands.map(({ name }) => name);
  if (shell === "bash") {
    const cases = commands.map(
      ({ name, options, subcommands }) => `    ${name}) words="${[...subcommands, ...options].join(" ")}" ;;`,
    );
    return `_devflow() {
  local words="${names.join(" ")}"
  [ "$COMP_CWORD" -gt 1 ] && case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _devflow devflow`;
  }
  if (shell === "zsh") {
    const listed = commands.map(({ name, description }) => `    '${name}:${quoted(description)}'`);
    const cases = commands.map(
      ({ name, options, subcommands }) =>
        `    ${name}) compadd -- ${[...subcommands, ...options].join(" ")} ;;`,
    );
    return `#compdef devflow
_devflow() {
  local -a commands=(
${listed.join("\n")}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "$words[2]" in
${cases.join("\n")}
  esac
  _files
}
_devflow "$@"`;
  }
  const top = commands.map(
    ({ name, description }) =>
      `complete -c devflow -n __fish_use_subcommand -a ${name} -d '${quoted(description)}'`,
  );
  const options = commands.flatMap(({ name, options: own, subcommands }) => [
    ...own
      .filter((one) => one.startsWith("--"))
      .map((one) => `complete -c devflow -n '__fish_seen_subcommand_from ${name}' -l ${one.slice(2)}`),
    ...(subcommands.length > 0
      ? [`complete -c devflow -n '__fish_seen_subcommand_from ${name}' -a '${subcommands.join(" ")}'`]
      : []),
  ]);
  return [...top, ...options].join("\n");
}

function quoted(text: string): string {
  return text.replaceAll("'", "’").replaceAll(":", "");
}
