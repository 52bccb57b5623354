import { withId } from "./wrangler-toml.ts";

/** What a deployment's environment names in wrangler.toml: the one place that decides what is made. */
export interface Named {
  worker: string;
  database: { name: string; id: string };
  buckets: readonly string[];
  queues: readonly string[];
  vars: Readonly<Record<string, unknown>>;
  /** Whether a custom domain is set. */
  routed: boolean;
  /** Id of the namespace bound as OAUTH_KV; null: none. */
  oauthId: string | null;
}

export interface Outcome {
  code: number;
  stdout: string;
}

export interface SetupDeps {
  environment: "staging" | "production";
  /** Prints what would be run, and runs nothing. */
  dryRun: boolean;
  /** Whether MCP clients are to be let in by OAuth: that needs a KV namespace. */
  oauth: boolean;
  /** Read anew each time, since steps write to it. */
  read(): { named: Named; toml: string };
  write(toml: string): void;
  /** Runs wrangler. @param input what it is to read from its standard input. */
  wrangler(args: readonly string[], input?: string): Promise<Outcome>;
  /** A strong secret of our own, remembered so that no other environment takes it. */
  makeSecret(name: string): string;
  /** A provider's secret, typed without being shown; empty where there is none. */
  askSecret(name: string): Promise<string>;
  say(line: string): void;
}

/** Wrong or missing in a way that the operator has to mend; `message` says how. */
export class SetupStopped extends Error {}

export const UNSET_ID = "00000000-0000-0000-0000-000000000000";
const OWN_SECRETS = ["ROOT_API_KEY", "JWT_SECRET"];

/**
 * Makes what the environment lacks, deploys and checks it, one step after the other. What is there is left as it is, so
 * that it may be run again after whatever stopped it. Errors: `SetupStopped`.
 */
export async function setUp(deps: SetupDeps): Promise<void> {
  if (!deps.dryRun) requireVariables(deps);
  await step(deps, "Log in", ["whoami"]);
  await makeDatabase(deps);
  const { named } = deps.read();
  for (const bucket of named.buckets) {
    await makeIfAbsent(
      deps,
      `R2 bucket ${bucket}`,
      ["r2", "bucket", "info", bucket],
      ["r2", "bucket", "create", bucket],
    );
  }
  for (const queue of named.queues) {
    await makeIfAbsent(deps, `Queue ${queue}`, ["queues", "info", queue], ["queues", "create", queue]);
  }
  if (deps.oauth) await makeOauthNamespace(deps);
  await putSecrets(deps);
  const env = ["--env", deps.environment];
  // Before the code, which may need what they add; they take nothing from the version that serves.
  await step(deps, "Migrations", ["d1", "migrations", "apply", "DB", "--remote", ...env]);
  await step(deps, "Deploy", ["deploy", ...env]);
  const host = String(named.vars["PUBLIC_HOSTS"] ?? "").split(",")[0] || "<the first of PUBLIC_HOSTS>";
  deps.say("");
  deps.say("Checklist, with the root key in ROOT_API_KEY (read -rs ROOT_API_KEY && export ROOT_API_KEY):");
  deps.say(`  DEVFLOW_URL=https://${host} npm run checklist`);
}

/** Production refuses to serve without them; better told before anything is made. */
function requireVariables({ environment, read }: SetupDeps): void {
  const { vars, routed } = read().named;
  const missing = [
    "PUBLIC_HOSTS",
    ...(vars["CHROMA_URL"] === undefined ? ["CHROMA_TENANT", "CHROMA_DATABASE"] : []),
  ]
    .filter((name) => (vars[name] ?? "") === "")
    .map((name) => `${name} = "…"   in [env.${environment}.vars]`);
  if (!routed) missing.push(`routes = [{ pattern = "…", custom_domain = true }]   in [env.${environment}]`);
  if (missing.length > 0) {
    throw new SetupStopped(`Set these in wrangler.toml, then run this again:\n  ${missing.join("\n  ")}`);
  }
}

async function step(
  deps: SetupDeps,
  title: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const piped = input === undefined ? "" : "   # the value goes in by a pipe";
  deps.say(`${title}\n  npx wrangler ${args.join(" ")}${piped}`);
  if (deps.dryRun) return "";
  const { code, stdout } = await deps.wrangler(args, input);
  if (code === 0) return stdout;
  throw new SetupStopped(
    args[0] === "whoami"
      ? "Log in first: npx wrangler login"
      : `That failed; what wrangler said stands above. Mend it and run this again: what is done is not done twice.`,
  );
}

async function makeIfAbsent(
  deps: SetupDeps,
  title: string,
  look: readonly string[],
  make: readonly string[],
) {
  if (!deps.dryRun && (await deps.wrangler(look)).code === 0) return deps.say(`${title}: there already`);
  await step(deps, title, make);
}

async function makeDatabase(deps: SetupDeps): Promise<void> {
  const { name, id } = deps.read().named.database;
  const title = `D1 database ${name}`;
  if (id !== UNSET_ID) return deps.say(`${title}: there already`);
  const find = async () => {
    const list = await deps.wrangler(["d1", "list", "--json"]);
    const all = parsed<{ name: string; uuid: string }[]>(list) ?? [];
    return all.find((one) => one.name === name)?.uuid;
  };
  let made = deps.dryRun ? undefined : await find();
  if (made === undefined) await step(deps, title, ["d1", "create", name]);
  if (deps.dryRun) return deps.say("  # its id goes into wrangler.toml");
  made ??= await find();
  if (made === undefined)
    throw new SetupStopped(`${name} is not in the list of databases after it was made.`);
  deps.write(withId(deps.read().toml, { after: `database_name = "${name}"`, key: "database_id", id: made }));
  deps.say(`${title}: its id is in wrangler.toml now`);
}

async function makeOauthNamespace(deps: SetupDeps): Promise<void> {
  const { named } = deps.read();
  const name = `${named.worker}-oauth`;
  if (named.oauthId !== null) return deps.say(`KV namespace ${name}: there already`);
  const find = async () => {
    const all =
      parsed<{ title: string; id: string }[]>(await deps.wrangler(["kv", "namespace", "list"])) ?? [];
    return all.find((one) => one.title === name)?.id;
  };
  let id = deps.dryRun ? undefined : await find();
  if (id === undefined) await step(deps, `KV namespace ${name}`, ["kv", "namespace", "create", name]);
  if (deps.dryRun) return deps.say("  # its id goes into wrangler.toml");
  id ??= await find();
  if (id === undefined) throw new SetupStopped(`${name} is not in the list of namespaces after it was made.`);
  const line = `kv_namespaces = [{ binding = "OAUTH_KV", id = "${id}" }]`;
  const { toml } = deps.read();
  const at = toml.indexOf("\nkv_namespaces = []", toml.indexOf(`\n[env.${deps.environment}]`));
  deps.write(`${toml.slice(0, at + 1)}${line}${toml.slice(at + "\nkv_namespaces = []".length)}`);
  deps.say(`KV namespace ${name}: its id is in wrangler.toml now; set MCP_OAUTH = "true" beside it`);
}

/** Those that the deployment lacks: ours are made, providers' are asked for. None is ever overwritten. */
async function putSecrets(deps: SetupDeps): Promise<void> {
  const { environment, dryRun } = deps;
  const env = ["--env", environment];
  // Fails where the Worker is not there yet: it has no secret then.
  const listed = dryRun ? null : parsed<{ name: string }[]>(await deps.wrangler(["secret", "list", ...env]));
  const there = new Set((listed ?? []).map(({ name }) => name));
  const { vars } = deps.read().named;
  const asked = ["OPENAI_API_KEY", ...(vars["CHROMA_URL"] === undefined ? ["CHROMA_API_KEY"] : [])];
  for (const name of [...OWN_SECRETS, ...asked]) {
    if (there.has(name)) {
      deps.say(`Secret ${name}: there already`);
      continue;
    }
    const own = OWN_SECRETS.includes(name);
    const value = dryRun ? "" : own ? deps.makeSecret(name) : await deps.askSecret(name);
    if (!dryRun && value === "")
      throw new SetupStopped(`${name} is needed: run this again when you have it.`);
    await step(deps, `Secret ${name}${own ? ", made now" : ""}`, ["secret", "put", name, ...env], value);
    if (own && name === "ROOT_API_KEY" && !dryRun) {
      deps.say(`  The root key, shown this once; keep it where your team keeps its secrets:\n  ${value}`);
    }
  }
}

function parsed<T>({ code, stdout }: Outcome): T | null {
  if (code !== 0) return null;
  try {
    // wrangler may write a line of its own before the list.
    return JSON.parse(stdout.slice(Math.max(0, stdout.indexOf("[")))) as T;
  } catch {
    return null;
  }
}
