import { randomBytes } from "node:crypto";
import { weakness } from "../../src/core/weak-secret.ts";

/** A secret of 32 random bytes in base64url, that the Worker takes: the few that look weak by chance are dropped. */
export function strongSecret(random: (bytes: number) => Buffer = randomBytes): string {
  for (;;) {
    const secret = random(32).toString("base64url");
    // A leading dash would read as an option where somebody passes it as an argument.
    if (weakness(secret) === null && !secret.startsWith("-")) return secret;
  }
}

/** `whsec_` + base64, as Standard Webhooks has it. */
export function webhookSecret(random: (bytes: number) => Buffer = randomBytes): string {
  return `whsec_${random(32).toString("base64")}`;
}

/**
 * The line that stores a secret. The value goes through a pipe of the shell's own `printf`: it stands in no list
 * of processes, and wrangler asks nothing.
 */
export function putLine(name: string, value: string, environment: string): string {
  return `printf %s '${value}' | npx wrangler secret put ${name} --env ${environment}`;
}

export const ENVIRONMENTS = ["production", "staging"] as const;

/** The value of `--env`, or a sentence that says what is wrong. */
export function environmentOf(args: string[]): { environment: string } | { problem: string } {
  const known = ENVIRONMENTS.join(" or ");
  const at = args.findIndex((arg) => arg === "--env" || arg.startsWith("--env="));
  if (at < 0) return { environment: ENVIRONMENTS[0] };
  const value = args[at]?.includes("=") ? args[at].slice("--env=".length) : args[at + 1];
  const environment = ENVIRONMENTS.find((name) => name === value);
  if (environment === undefined) return { problem: `--env is ${known}, not ${JSON.stringify(value ?? "")}` };
  return { environment };
}
