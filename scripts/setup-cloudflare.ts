import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { unstable_readConfig } from "wrangler";
import { type Named, type Outcome, SetupStopped, setUp } from "./cloudflare/setup.ts";
import { askSecret } from "./secrets/ask.ts";
import { known, knownSecrets, remember, reuse } from "./secrets/known.ts";
import { environmentOf, strongSecret } from "./secrets/strong.ts";
import { CONFIG, WRANGLER } from "./stack/wrangler.ts";

const HELP = `npm run setup:cloudflare -- [--env production|staging] [--dry-run] [--oauth]

Makes what a deployment needs and lacks, as wrangler.toml names it: D1 database, R2 bucket, queues, secrets; applies
migrations, deploys, and says how to check. May be run again: what is there is left as it is.

  --dry-run   prints each command, and runs none
  --oauth     also makes the KV namespace that MCP clients' grants are kept in (MCP_OAUTH)`;

const { values } = parseArgs({
  options: {
    env: { type: "string", default: "production" },
    "dry-run": { type: "boolean", default: false },
    oauth: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function named(environment: string): Named {
  const config = unstable_readConfig(
    { config: CONFIG, env: environment },
    { hideWarnings: true },
  ) as unknown as {
    name: string;
    vars: Record<string, unknown>;
    routes?: unknown[];
    d1_databases: { database_name: string; database_id: string }[];
    r2_buckets: { bucket_name: string }[];
    queues: { consumers: { queue: string }[] };
    kv_namespaces: { binding: string; id: string }[];
  };
  const [database] = config.d1_databases;
  if (database === undefined) throw new SetupStopped(`wrangler.toml names no database for ${environment}.`);
  return {
    worker: config.name,
    database: { name: database.database_name, id: database.database_id },
    buckets: config.r2_buckets.map((one) => one.bucket_name),
    // The dead letters' queue is consumed too.
    queues: config.queues.consumers.map((one) => one.queue),
    vars: config.vars,
    routed: (config.routes ?? []).length > 0,
    oauthId: config.kv_namespaces.find(({ binding }) => binding === "OAUTH_KV")?.id ?? null,
  };
}

/** Its messages go to the terminal; what it answers is read. */
async function wrangler(args: readonly string[], input?: string): Promise<Outcome> {
  const child = spawn(process.execPath, [WRANGLER, ...args], {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
    stdio: [input === undefined ? "inherit" : "pipe", "pipe", "inherit"],
  });
  child.stdin?.end(input);
  let stdout = "";
  child.stdout?.on("data", (part: Buffer) => {
    stdout += part.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? 1, stdout };
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const chosen = environmentOf(["--env", values.env]);
  if ("problem" in chosen) {
    console.error(chosen.problem);
    return 2;
  }
  const environment = chosen.environment as "staging" | "production";
  try {
    await setUp({
      environment,
      dryRun: values["dry-run"],
      oauth: values.oauth,
      read: () => ({ named: named(environment), toml: readFileSync(CONFIG, "utf8") }),
      write: (toml) => writeFileSync(CONFIG, toml),
      wrangler,
      makeSecret(name) {
        const value = strongSecret();
        remember([known(value, environment, name)]);
        return value;
      },
      async askSecret(name) {
        const value = await askSecret(`${name} of ${environment} (not shown): `);
        if (value === "") return value;
        const secret = known(value, environment, name);
        const twin = reuse(knownSecrets(), secret);
        if (twin !== null)
          throw new SetupStopped(`This is no secret for ${name} of ${environment}: it ${twin}.`);
        remember([secret]);
        return value;
      },
      say: (line) => console.log(line),
    });
    return 0;
  } catch (error) {
    if (!(error instanceof SetupStopped)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = await main();
