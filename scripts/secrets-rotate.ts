import { weakness } from "../src/core/weak-secret.ts";
import { askSecret } from "./secrets/ask.ts";
import { known, knownSecrets, remember, reuse } from "./secrets/known.ts";
import { environmentOf, putLine, strongSecret } from "./secrets/strong.ts";

const HELP = `npm run secrets:rotate -- [--env production|staging]

Walks through the rotation of JWT_SECRET, so that no token that is under way is refused:
  1. the current secret becomes JWT_SECRET_PREVIOUS: it still verifies, and no longer signs;
  2. a new JWT_SECRET signs;
  3. an hour later, when the last old token has ended, JWT_SECRET_PREVIOUS is deleted.
Cursors of lists made before step 2 are refused; clients start the list again.
The current secret is asked for, since no platform gives it back. Without it (lost, or leaked: then its tokens
should end at once), leave the answer empty: step 1 is left out and all tokens end.`;

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
  const { environment } = chosen;
  const current = await askSecret(
    `Current JWT_SECRET of ${environment} (not shown; empty if lost or leaked): `,
  );
  if (current !== "") {
    const reason = weakness(current) ?? reuse(knownSecrets(), known(current, environment, "JWT_SECRET"));
    if (reason !== null) {
      console.error(`That is not a secret that ${environment} takes: it ${reason}.`);
      return 2;
    }
    console.error("\n# 1. The current secret goes on verifying:");
    console.log(` ${putLine("JWT_SECRET_PREVIOUS", current, environment)}`);
  } else {
    console.error("\n# 1. No previous secret: all tokens end with step 2.");
    console.log(` npx wrangler secret delete JWT_SECRET_PREVIOUS --env ${environment}`);
  }
  console.error("# 2. A new one signs:");
  const fresh = strongSecret();
  remember([known(fresh, environment, "JWT_SECRET")]);
  console.log(` ${putLine("JWT_SECRET", fresh, environment)}`);
  if (current !== "") {
    const after = new Date(Date.now() + 3_600_000).toISOString().slice(0, 16).replace("T", " ");
    console.error(`# 3. Not before an hour after step 2 (${after} UTC, if you run it now):`);
    console.error(`#  npx wrangler secret delete JWT_SECRET_PREVIOUS --env ${environment}`);
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
