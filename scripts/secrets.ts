import { environmentOf, putLine, strongSecret, webhookSecret } from "./secrets/strong.ts";

const HELP = `npm run secrets -- [--env production|staging]

Makes strong secrets and prints the lines that store them. Nothing is stored or sent by this command: look at the
lines, run them, and clear the terminal. Each environment gets its own; never use one twice.
A space in front of a line keeps it out of the shell's history (HISTCONTROL=ignorespace).`;

function main(args: string[]): number {
  if (args.includes("--help")) {
    console.log(HELP);
    return 0;
  }
  const chosen = environmentOf(args);
  if ("problem" in chosen) {
    console.error(chosen.problem);
    return 2;
  }
  const { environment } = chosen;
  // Comments go to stderr, so that the lines alone can be piped into a shell.
  console.error(`# Secrets of ${environment}, made now. Shown this once.`);
  console.log(` ${putLine("ROOT_API_KEY", strongSecret(), environment)}`);
  console.log(` ${putLine("JWT_SECRET", strongSecret(), environment)}`);
  console.log(` ${putLine("ALERT_WEBHOOK_SECRET", webhookSecret(), environment)}`);
  console.error("# From your providers, each asked for at a prompt:");
  for (const name of ["OPENAI_API_KEY", "CHROMA_API_KEY"]) {
    console.error(`#   npx wrangler secret put ${name} --env ${environment}`);
  }
  console.error("# Keep ROOT_API_KEY where your team keeps its secrets: it cannot be read back.");
  return 0;
}

process.exitCode = main(process.argv.slice(2));
