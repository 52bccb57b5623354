import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { type StandInChat, startStandInChat } from "../support/stand-in-chat.ts";
import { CTRL_C, ENTER, type Ended, type Environment, piped, Terminal } from "./command.ts";

const FILES: Record<string, string> = {
  "src/auth/password.ts":
    "/** Derives the stored form of a password. */\nexport async function hashPassword(password: string): Promise<string> {\n  const salt = crypto.getRandomValues(new Uint8Array(16));\n  return derive(password, salt);\n}\n",
  "src/users.ts":
    "export function getUserByName(name: string) {\n  return users.find((user) => user.name === name);\n}\n",
  ".gitignore": "*.secret\n",
  "left.secret": "nobody needs this\n",
};
/** The terminal's own signs: colours, cursor. */
const ESCAPE = "\u001b[";

let folder: string;
let code: string;
let stack: Stack;
let chat: StandInChat;
let env: Environment;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "devflow-cli-"));
  code = join(folder, "code");
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(code, path)), { recursive: true });
    writeFileSync(join(code, path), text);
  }
  chat = await startStandInChat();
  stack = await startStack({
    stateFolder: join(folder, "state"),
    port: 0,
    settings: {
      ...chat.settings,
      BACKUP_RECIPIENTS: await identityToRecipient(await generateX25519Identity()),
    },
  });
  env = { DEVFLOW_CONFIG: join(folder, "config"), DEVFLOW_URL: undefined, DEVFLOW_KEY: undefined };
});

afterAll(async () => {
  await stack?.stop();
  await chat?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => piped(args, env, "", code);
const asRoot = (...args: string[]) =>
  piped(args, { ...env, DEVFLOW_URL: stack.url, DEVFLOW_KEY: stack.rootKey });
const json = <T>({ stdout }: Ended) => JSON.parse(stdout) as T;

describe("devflow login", () => {
  it("says what to do where nobody has logged in", async () => {
    const { code: exit, stdout, stderr } = await run("status");
    expect([exit, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("devflow login");
  });

  it("refuses a key that the server does not know, and keeps nothing", async () => {
    const args = ["login", "--url", stack.url, "--key-stdin", "--verbose"];
    const { code: exit, stderr } = await piped(args, env, `dvf_${"A".repeat(49)}\n`);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/error: .*not valid[\s\S]*req_/);
    expect(stderr).not.toContain("A".repeat(49));
    expect(() => statSync(join(folder, "config/login.json"))).toThrow();
  });

  it("asks in a terminal, never shows the key, and keeps it for its owner alone", async () => {
    const terminal = new Terminal(["login"], env);
    await terminal.shows(/URL/);
    terminal.type(`\u0015${stack.url}${ENTER}`);
    await terminal.shows(/API key/);
    terminal.type(`${stack.apiKey}${ENTER}`);
    expect(await terminal.ended).toBe(0);
    expect(terminal.shown).toContain("Logged in");
    expect(terminal.shown).not.toContain(stack.apiKey);
    expect(statSync(join(folder, "config/login.json")).mode & 0o777).toBe(0o600);
  });

  it("never sends the key that it kept to another address", async () => {
    const { code: exit, stderr } = await run("status", "--url", "http://127.0.0.1:9");
    expect(exit).toBe(1);
    expect(stderr).toContain("There is no key for http://127.0.0.1:9");
  });
});

describe("devflow index", () => {
  it("tells by --dry-run of files, tokens and dollars, and changes nothing", async () => {
    const { code: exit, stdout } = await run("index", "--dry-run");
    expect(exit).toBe(0);
    expect(stdout).toMatch(/to upload\s+3 /);
    expect(stdout).toMatch(/left out, a folder as one: .*1 ignored/);
    expect(stdout).toMatch(/estimate\s+\d+ chunks, \d+ tokens, (under )?\$/);
    expect(json<{ files: number }>(await run("status", "--json")).files).toBe(0);
  });

  it("refuses in a pipe what costs more than --max-cost, and asks in a terminal", async () => {
    const refused = await run("index", "--max-cost", "-1");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("--yes");
    const no = new Terminal(["index", "--max-cost", "-1"], env, code);
    await no.shows(/Go on\?/);
    no.type(`n${ENTER}`);
    expect(await no.ended).toBe(1);
    expect(no.shown).toContain("Nothing was changed");
    const yes = new Terminal(["index", "--max-cost", "-1"], env, code);
    await yes.shows(/Go on\?/);
    yes.type(`y${ENTER}`);
    expect(await yes.ended).toBe(0);
    // Bars for hashing, upload and indexing, with the time that is left.
    for (const bar of ["Hashing", "Uploading", "Indexing"])
      expect(yes.shown).toMatch(new RegExp(`${bar} +\\S*[█░].*left`));
    expect(yes.shown).toContain("Done:");
  });

  it("does nothing twice, and writes plain lines into a pipe", async () => {
    const { code: exit, stderr } = await run("index");
    expect(exit).toBe(0);
    expect(stderr).toContain("Everything is up to date");
    expect(stderr).not.toContain(ESCAPE);
  });

  it("deletes what another folder brought in only where that is said", async () => {
    const other = mkdtempSync(join(tmpdir(), "devflow-other-"));
    mkdirSync(join(other, "x"));
    writeFileSync(join(other, "x/one.py"), "def one():\n    return 1\n");
    const most = await piped(["index"], env, "", other);
    expect([most.code, most.stderr]).toEqual([
      1,
      expect.stringMatching(/\d of the \d files that the workspace would hold are not in this folder/),
    ]);
    expect((await piped(["index", "--folder", "other"], env, "", other)).code).toBe(0);
    const elsewhere = await run("index");
    expect([elsewhere.code, elsewhere.stderr]).toEqual([
      1,
      expect.stringContaining("1 files would be deleted in folders that this one does not have: other."),
    ]);
    const kept = await run("index", "--no-prune");
    expect([kept.code, kept.stderr]).toEqual([0, expect.stringContaining("Everything is up to date")]);
    const deleted = await run("index", "--yes");
    expect([deleted.code, deleted.stderr]).toEqual([0, expect.stringContaining("(1 deleted)")]);
    rmSync(other, { recursive: true });
  });
});

describe("devflow search", () => {
  it("writes path:line and numbered lines, without colours into a pipe", async () => {
    const { code: exit, stdout } = await run("search", "where are passwords hashed", "--path", "src\\auth");
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^src\/auth\/password\.ts:1 .*hashPassword/);
    expect(stdout).toMatch(/^3 .*getRandomValues/m);
    expect(stdout).not.toContain(ESCAPE);
  });

  it("colours in a terminal, but not with NO_COLOR", async () => {
    const coloured = new Terminal(["search", "hash", "password"], env);
    expect(await coloured.ended).toBe(0);
    expect(coloured.shown).toContain(`${ESCAPE}36m`);
    const plain = new Terminal(["search", "hash", "password"], { ...env, NO_COLOR: "1" });
    expect(await plain.ended).toBe(0);
    expect(plain.shown).toContain("src/auth/password.ts:1");
    expect(plain.shown).not.toContain(`${ESCAPE}36m`);
  });

  it("answers as JSON, and ends with 1 where nothing is found", async () => {
    const { results } = json<{ results: { path: string }[] }>(await run("search", "--json", "user by name"));
    expect(results.map(({ path }) => path)).toContain("src/users.ts");
    const nothing = await run("search", "-m", "lexical", "zzzzunheardof");
    expect([nothing.code, nothing.stdout]).toEqual([1, ""]);
    expect(nothing.stderr).not.toContain("filters");
    const narrowed = await run("search", "--lang", "cobol", "user by name");
    expect([narrowed.code, narrowed.stderr]).toEqual([1, expect.stringContaining("devflow status")]);
  });

  it("finds by pattern, literal text, symbol and likeness", async () => {
    for (const args of [
      ["symbol", "gUBN"],
      ["similar", "src/users.ts:1-3", "--min-score", "0"],
    ]) {
      const { code: exit, stdout, stderr } = await run(...args);
      expect([args.join(" "), exit, stderr]).toEqual([args.join(" "), 0, expect.any(String)]);
      expect(stdout).toContain("src/users.ts:1");
    }
    const byPattern = await run("grep", "find\\(\\(user");
    const grep = await run("grep", "-F", "find((user)");
    expect([byPattern.code, byPattern.stdout]).toEqual([0, grep.stdout]);
    for (const line of grep.stdout.trim().split("\n"))
      expect(line).toMatch(/^src\/users\.ts:\d+:.*find\(\(user\)/);
    const around = await run("grep", "-C", "1", "-F", "find((user)");
    expect(around.stdout).toMatch(/^src\/users\.ts-\d+-/m);
    const typed = await piped(["similar"], env, FILES["src/users.ts"]);
    expect(typed.stdout).toContain("src/users.ts:1");
    const missing = await run("similar", "src/nowhere.ts:1-3");
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("there is no such file")]);
  });

  it("says what is wrong with a pattern, and with an option", async () => {
    const pattern = await run("grep", "(?=x)");
    expect(pattern.code).toBe(1);
    expect(pattern.stderr).toContain("look-around");
    expect((await run("search", "x", "--limit", "none")).code).toBe(2);
    expect((await run("serach", "x")).stderr).toMatch(/Did you mean search/);
    for (const [args, words] of [
      [["search", "x", "--limit", "100"], "from 1 to 50"],
      [["search", "x", "--kind", "func"], "function, method"],
      [["search", " "], "nothing to look for"],
      [["watch", "no-such-folder"], "no folder no-such-folder"],
    ] as const) {
      const refused = await run(...args);
      expect([args.join(" "), refused.code, refused.stderr]).toEqual([
        args.join(" "),
        expect.toBeOneOf([1, 2]),
        expect.stringContaining(words),
      ]);
    }
  });

  it("does not call a folder indexed of which rules leave out everything", async () => {
    const ignored = mkdtempSync(join(tmpdir(), "devflow-ignored-"));
    mkdirSync(join(ignored, "node_modules"));
    writeFileSync(join(ignored, "node_modules/a.ts"), "export const a = 1;\n");
    const refused = await piped(["index", "--folder", "ignored"], env, "", ignored);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("what is there is left out")]);
    rmSync(ignored, { recursive: true });
  });
});

describe("devflow ask", () => {
  it("streams the answer, and lists its citations", async () => {
    const { code: exit, stdout, stderr } = await run("ask", "askok00000001 how are passwords hashed?");
    expect([exit, stderr]).toEqual([0, expect.stringContaining("sources")]);
    expect(stdout).toMatch(/^\[1\] \S+:\d+-\d+$/m);
  });
});

describe("devflow watch", () => {
  it("takes up a change, until CTRL-C", async () => {
    const watching = new Terminal(["watch"], env, code);
    await watching.shows(/Watching/);
    writeFileSync(join(code, "src/cake.py"), "def bake_cake(flour):\n    return oven(flour)\n");
    await watching.shows(/chunks embedded[\s\S]*Watching/);
    watching.type(CTRL_C);
    expect(await watching.ended).toBe(130);
    expect((await run("symbol", "bake_cake")).stdout).toContain("src/cake.py:1");
  });
});

describe("the other commands", () => {
  it("make, list, rotate and revoke keys", async () => {
    const made = json<{ id: string; key: string }>(
      await run("keys", "create", "CI", "--scopes", "search,index", "--json"),
    );
    expect(made.key).toMatch(/^dvf_/);
    expect((await run("keys")).stdout).toContain(made.id);
    expect((await run("keys", "rotate", made.id, "--grace", "60")).stdout).toMatch(/^dvf_/);
    expect((await run("keys", "revoke", made.id)).code).toBe(0);
    expect((await run("keys")).stdout).toMatch(new RegExp(`${made.id}.*revoked`));
  });

  it("show events, usage, status and files of a job", async () => {
    expect((await run("events", "--limit", "5")).stdout).toContain("key_");
    expect((await run("usage")).stdout).toMatch(/day +requests[\s\S]*\n\d{4}-\d\d-\d\d/);
    expect((await run("status")).stdout).toMatch(/languages +.*typescript/);
    const { items } = json<{ items: { id: string }[] }>(await run("jobs", "--json"));
    expect((await run("jobs", "files", items.at(-1)?.id ?? "")).stdout).toContain("src/users.ts");
  });

  it("judge search by one's own questions", async () => {
    const file = join(folder, "queries.jsonl");
    writeFileSync(
      file,
      '{"query": "where are passwords hashed", "relevant": ["src/auth/password.ts"]}\n{"query": "nothing", "relevant": ["src/gone.ts"]}\n',
    );
    const { code: exit, stdout, stderr } = await run("eval", file, "--json");
    expect(exit).toBe(0);
    expect(stderr).toContain("1 of 2 relevant paths are not in the workspace: src/gone.ts");
    const { systems } = JSON.parse(stdout) as { systems: Record<string, Record<string, { mean: number }>> };
    expect(systems["hybrid"]?.["recall@10"]?.mean).toBe(0.5);
    writeFileSync(file, '{"query": "where"}\n');
    expect((await run("eval", file)).stderr).toContain("queries.jsonl:1");
  });

  it("run the checklist and take backups with the root key", async () => {
    const checklist = await asRoot("checklist");
    expect(checklist.stdout).toMatch(/^pass +/m);
    const made = await asRoot("backup", "create");
    expect(made.stdout).toMatch(/^bak_/);
    const id = made.stdout.trim();
    expect((await asRoot("backup", "list")).stdout).toMatch(new RegExp(`${id} +succeeded`));
    const file = join(folder, "backup.tar");
    expect((await asRoot("backup", "download", id, file)).stdout.trim()).toBe(file);
    expect(readFileSync(file).subarray(0, 100).toString("latin1")).not.toBe("");
    const refused = await run("backup", "list");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("error:")]);
  });

  it("are an MCP server on standard input and output, and print a client's configuration", async () => {
    expect((await run("mcp", "cursor")).stdout).toContain(`"url": "${stack.url}/mcp"`);
    const messages = [
      {
        id: 1,
        method: "initialize",
        params: {
          protocolVersion: "2025-06-18",
          capabilities: {},
          clientInfo: { name: "test", version: "1" },
        },
      },
      { method: "notifications/initialized" },
      { id: 2, method: "tools/call", params: { name: "find_symbol", arguments: { name: "getUserByName" } } },
    ];
    const input = messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join("");
    const { stdout } = await piped(["mcp", "--stdio"], env, input);
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: number; result: unknown });
    expect(answers.map(({ id }) => id).sort()).toEqual([1, 2]);
    expect(JSON.stringify(answers.find(({ id }) => id === 2)?.result)).toContain("src/users.ts");
  });

  it("complete in bash", async () => {
    const { stdout } = await run("completion", "bash");
    expect(stdout).toMatch(/words="login .*backup.*eval/);
    expect((await run("completion", "tcsh")).stderr).toContain("bash, zsh, fish");
  });

  it("index is stopped by CTRL-C with 130, and goes on where it stopped", async () => {
    const many = join(folder, "many");
    mkdirSync(many);
    for (let i = 0; i < 1200; i++)
      writeFileSync(join(many, `part${i}.ts`), `export function part${i}() {\n  return "piece ${i}";\n}\n`);
    const first = new Terminal(["index", "--folder", "many"], env, many);
    await first.shows(/Indexing/);
    first.type(CTRL_C);
    expect(await first.ended).toBe(130);
    expect(first.shown).toContain("goes on where this one stopped");
    const again = await piped(["index", "--folder", "many"], env, "", many);
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("are not indexed yet")]);
    expect(again.stderr).not.toContain("up to date");
    expect(json(await run("status", "--json"))).toMatchObject({ files: 1204, pending_files: 0 });
    const { items } = json<{ items: { id: string; status: string }[] }>(
      await run("jobs", "--json", "--limit", "1"),
    );
    const followed = await run("jobs", items[0]?.id ?? "");
    expect([followed.code, followed.stdout]).toEqual([0, expect.stringContaining("succeeded")]);
  });

  it("forget the login", async () => {
    expect((await run("logout")).code).toBe(0);
    expect((await run("status")).code).toBe(1);
  });
});
