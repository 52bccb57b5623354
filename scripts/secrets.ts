import { weakness } from "../src/core/weak-secret.ts";
import { askSecret } from "./secrets/ask.ts";
import { known, knownSecrets, remember, reuse } from "./secrets/known.ts";
import { environmentOf, putLine, strongSecret, webhookSecret } from "./secrets/strong.ts";

const HELP = `npm run secrets -- [--env production|staging] [--own NAME]

Makes strong secrets and prints the lines that store them. Nothing is stored or sent by this command but digests (in
.secret-digests.json, which git ignores): look at the lines, run them, and clear the terminal. Each environment gets its
own; never use one twice.

  --own NAME   asks for a secret that you have, a provider's key for one, and prints the line that stores it; refuses
               one that is weak, or that stands under another name or environment

A space in front of a line keeps it out of the shell's history (HISTCONTROL=ignorespace).`;

/** Secrets of our own: those of providers have whatever form their providers give them. */
const OWN = ["ROOT_API_KEY", "JWT_SECRET"];
const PROVIDERS = ["OPENAI_API_KEY", "CHROMA_API_KEY"];
/** `OPENAI_CHAT_API_KEY`: only where chat and embeddings are of two providers. */
const NAMES = [...OWN, "ALERT_WEBHOOK_SECRET", ...PROVIDERS, "OPENAI_CHAT_API_KEY"];

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(HELP);
    return 0;
  }
  const chosen = environmentOf(args);
  if ("problem" in chosen) {
    console.error(chosen.problem);
    return 2;
  }
  const at = args.indexOf("--own");
  if (at < 0) return makeAll(chosen.environment);
  return takeOwn(chosen.environment, args[at + 1] ?? "");
}

function makeAll(environment: string): number {
  const made = {
    ROOT_API_KEY: strongSecret(),
    JWT_SECRET: strongSecret(),
    ALERT_WEBHOOK_SECRET: webhookSecret(),
  };
  remember(Object.entries(made).map(([name, value]) => known(value, environment, name)));
  // Comments go to stderr, so that the lines alone can be piped into a shell.
  console.error(`# Secrets of ${environment}, made now. Shown this once.`);
  for (const [name, value] of Object.entries(made)) console.log(` ${putLine(name, value, environment)}`);
  console.error("# From your providers, each asked for at a prompt; another one for each environment:");
  for (const name of PROVIDERS) console.error(`#   npm run secrets -- --env ${environment} --own ${name}`);
  console.error("# Keep ROOT_API_KEY where your team keeps its secrets: it cannot be read back.");
  return 0;
}

async function takeOwn(environment: string, name: string): Promise<number> {
  if (!NAMES.includes(name)) {
    console.error(`--own is one of ${NAMES.join(", ")}.`);
    return 2;
  }
  const value = await askSecret(`${name} of ${environment} (not shown): `);
  const secret = known(value, environment, name);
  const fault =
    (OWN.includes(name) ? weakness(value) : null) ?? formFault(value) ?? reuse(knownSecrets(), secret);
  if (fault !== null) {
    console.error(`This is no secret for ${name} of ${environment}: it ${fault}.`);
    return 2;
  }
  remember([secret]);
  console.log(` ${putLine(name, value, environment)}`);
  return 0;
}

/** What a line of the shell could not carry, or nobody would mean. */
function formFault(value: string): string | null {
  if (value === "") return "is missing";
  return /^[\x21-\x7e]+$/.test(value) && !value.includes("'")
    ? null
    : "holds a space, a quote or another character that no key has";
}

process.exitCode = await main(process.argv.slice(2));
