import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import type { Stack } from "../../scripts/stack/start-stack.ts";
import { PROJECT, WRANGLER, wranglerEnvironment } from "../../scripts/stack/wrangler.ts";

const PAGE = readFileSync(resolve(PROJECT, "docs/runbook.md"), "utf8");
const run = promisify(execFile);

/** The commands of a section, line by line, as they stand in docs/runbook.md. Errors: there is no such section. */
export function commandsOf(heading: string): string[] {
  const [, section] = PAGE.split(`\n## ${heading}\n`);
  if (section === undefined) throw new Error(`docs/runbook.md has no section ${JSON.stringify(heading)}`);
  const [own = ""] = section.split("\n## ");
  return [...own.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
    block.split("\n").filter((line) => line !== ""),
  );
}

/** `root` and `admin`, as the page defines them. */
const FUNCTIONS = PAGE.split("\n")
  .filter((line) => /^\w+\(\) \{/.test(line))
  .join("\n");

/**
 * Carries the commands out, one after the other, against a local stack. `job_…` stands for the job that the last answer
 * named, and D1 is the local one. @returns what each printed. Errors: where one fails.
 */
export async function carryOut(stack: Stack, commands: readonly string[]): Promise<string[]> {
  const database = `--local --cwd '${PROJECT}' --persist-to '${stack.state.path("cloudflare")}'`;
  const printed: string[] = [];
  let job = "job_…";
  for (const command of commands) {
    const here = command
      .replace(/"([^"]*)job_…/, `"$1${job}`)
      .replace(
        /npx wrangler (.*?)--env production --remote/,
        `'${process.execPath}' '${WRANGLER}' $1${database}`,
      );
    const { stdout } = await run("bash", ["-euc", `${FUNCTIONS}\n${here}`], {
      env: {
        ...process.env,
        ...wranglerEnvironment(stack.state),
        DEVFLOW_URL: stack.url,
        ROOT_API_KEY: stack.rootKey,
        ADMIN_KEY: stack.apiKey,
      },
    });
    printed.push(stdout);
    job = /"(job_\w+)"/.exec(stdout)?.[1] ?? job;
  }
  return printed;
}
