import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type Named,
  type Outcome,
  type SetupDeps,
  setUp,
  UNSET_ID,
} from "../../../scripts/cloudflare/setup.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const TOML = readFileSync(resolve(ROOT, "wrangler.toml"), "utf8");
const VARS = { PUBLIC_HOSTS: "api.example.com", CHROMA_TENANT: "t", CHROMA_DATABASE: "d" };

/** What wrangler answers of an account, as far as the steps ask it. */
class Account {
  readonly databases = new Map<string, string>();
  readonly namespaces = new Map<string, string>();
  readonly made = new Set<string>();
  readonly secrets = new Map<string, string>();
  readonly commands: string[] = [];
  /** The command that fails, once. */
  failing: string | null = null;

  async run(args: readonly string[], input?: string): Promise<Outcome> {
    const command = args.join(" ");
    this.commands.push(command);
    if (this.failing !== null && command.startsWith(this.failing)) {
      this.failing = null;
      return { code: 1, stdout: "" };
    }
    const done = (value: unknown = "") => ({ code: 0, stdout: value === "" ? "" : JSON.stringify(value) });
    const name = args.at(-1) ?? "";
    if (command === "d1 list --json") {
      return done([...this.databases].map(([name, uuid]) => ({ name, uuid })));
    }
    if (command.startsWith("d1 create")) this.databases.set(name, `uuid-of-${name}`);
    if (command === "kv namespace list") {
      return done([...this.namespaces].map(([title, id]) => ({ title, id })));
    }
    if (command.startsWith("kv namespace create")) this.namespaces.set(name, `id-of-${name}`);
    if (/^(queues|r2 bucket) info/.test(command)) return { code: this.made.has(name) ? 0 : 1, stdout: "" };
    if (/^(queues|r2 bucket) create/.test(command)) this.made.add(name);
    if (command.startsWith("secret list")) {
      return this.secrets.size === 0
        ? { code: 1, stdout: "" }
        : done([...this.secrets.keys()].map((name) => ({ name })));
    }
    if (command.startsWith("secret put")) this.secrets.set(args[2] ?? "", input ?? "");
    return done();
  }
}

function world(account: Account, change: Partial<SetupDeps> = {}, vars: Named["vars"] = VARS) {
  let toml = TOML;
  const said: string[] = [];
  const deps: SetupDeps = {
    environment: "production",
    dryRun: false,
    oauth: true,
    read: () => ({
      toml,
      named: {
        worker: "devflow-production",
        database: {
          name: "devflow-production",
          id: /database_name = "devflow-production"\ndatabase_id = "([^"]+)"/.exec(toml)?.[1] ?? "",
        },
        buckets: ["devflow-production-blobs"],
        queues: ["devflow-production-indexing", "devflow-production-indexing-dead"],
        vars,
        routed: true,
        oauthId: /\nkv_namespaces = \[\{ binding = "OAUTH_KV", id = "([^"]+)"/.exec(toml)?.[1] ?? null,
      },
    }),
    write: (text) => {
      toml = text;
    },
    wrangler: (args, input) => account.run(args, input),
    makeSecret: (name) => `made-${name}`,
    askSecret: async (name) => `asked-${name}`,
    say: (line) => said.push(line),
    ...change,
  };
  return { deps, said, toml: () => toml };
}

describe("npm run setup:cloudflare", () => {
  it("makes everything once, in order, and writes the ids where they belong", async () => {
    const account = new Account();
    const { deps, said, toml } = world(account);
    await setUp(deps);
    expect([...account.secrets]).toEqual([
      ["ROOT_API_KEY", "made-ROOT_API_KEY"],
      ["JWT_SECRET", "made-JWT_SECRET"],
      ["OPENAI_API_KEY", "asked-OPENAI_API_KEY"],
      ["CHROMA_API_KEY", "asked-CHROMA_API_KEY"],
    ]);
    expect(account.made.size).toBe(3);
    expect(account.commands.slice(-2)).toEqual([
      "d1 migrations apply DB --remote --env production",
      "deploy --env production",
    ]);
    const production = toml().slice(toml().indexOf("[env.production]"));
    expect(production).toContain('database_id = "uuid-of-devflow-production"');
    expect(production).toContain(
      'kv_namespaces = [{ binding = "OAUTH_KV", id = "id-of-devflow-production-oauth" }]',
    );
    // Nothing else of the file is touched.
    expect(toml().slice(0, toml().indexOf("[env.production]"))).toBe(
      TOML.slice(0, TOML.indexOf("[env.production]")),
    );
    expect(said.join("\n")).toContain("DEVFLOW_URL=https://api.example.com npm run checklist");
    // Secrets travel by a pipe, and only the root key is shown.
    for (const command of account.commands) expect(command).not.toMatch(/made-|asked-/);
    expect(said.join("\n").match(/made-\w+|asked-\w+/g)).toEqual(["made-ROOT_API_KEY"]);
  });

  it.each(["r2 bucket create", "secret put JWT_SECRET", "d1 migrations", "deploy"])(
    "goes on where %s failed, and makes nothing twice",
    async (failing) => {
      const account = new Account();
      const { deps } = world(account);
      account.failing = failing;
      await expect(setUp(deps)).rejects.toThrow("run this again");
      await setUp(deps);
      await setUp(deps);
      const made = account.commands.filter((command) => /create|secret put/.test(command));
      const tried = made.filter((command) => command.startsWith(failing)).length;
      expect(made.length - new Set(made).size).toBe(tried > 0 ? 1 : 0);
      expect(account.secrets.get("ROOT_API_KEY")).toBe("made-ROOT_API_KEY");
    },
  );

  it("names every setting that is missing before it makes anything, and asks to log in", async () => {
    const account = new Account();
    await expect(setUp(world(account, {}, {}).deps)).rejects.toThrow(
      /PUBLIC_HOSTS[\s\S]*CHROMA_TENANT[\s\S]*CHROMA_DATABASE/,
    );
    expect(account.commands).toEqual([]);
    account.failing = "whoami";
    await expect(setUp(world(account).deps)).rejects.toThrow("npx wrangler login");
    expect(account.commands).toEqual(["whoami"]);
    const without = world(account, { askSecret: async () => "" });
    await expect(setUp(without.deps)).rejects.toThrow("OPENAI_API_KEY is needed");
  });

  it.each(["staging", "production"])(
    "prints each command for %s with --dry-run, and changes nothing",
    (env) => {
      const args = ["scripts/setup-cloudflare.ts", "--dry-run", "--oauth", "--env", env];
      const printed = execFileSync(process.execPath, args, { cwd: ROOT, encoding: "utf8" });
      const commands = [...printed.matchAll(/^ {2}npx wrangler ([^#\n]+?)\s*(?:#|$)/gm)].map(
        ([, one]) => one,
      );
      expect(commands).toEqual([
        "whoami",
        ...(TOML.includes(UNSET_ID) ? [`d1 create devflow-${env}`] : []),
        `r2 bucket create devflow-${env}-blobs`,
        `queues create devflow-${env}-indexing`,
        `queues create devflow-${env}-indexing-bulk`,
        `queues create devflow-${env}-indexing-dead`,
        `kv namespace create devflow-${env}-oauth`,
        ...["ROOT_API_KEY", "JWT_SECRET", "OPENAI_API_KEY", "CHROMA_API_KEY"].map(
          (name) => `secret put ${name} --env ${env}`,
        ),
        `d1 migrations apply DB --remote --env ${env}`,
        `deploy --env ${env}`,
      ]);
      expect(readFileSync(resolve(ROOT, "wrangler.toml"), "utf8")).toBe(TOML);
    },
  );
});
