import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/**
 * Does what the README says, word for word, in a fresh clone: starts the stack, pastes the `curl` that it prints,
 * runs the shell blocks of the README, the quick start and the API guide, presses CTRL-C, looks for processes left behind, and starts again.
 */
const FIRST_START_MS = 60_000;
const SECOND_START_MS = 10_000;
const STOP_MS = 10_000;

const clone = join(mkdtempSync(join(tmpdir(), "devflow-readme-")), "devflow");
let running: ChildProcess | null = null;
try {
  execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${resolve(".")}`, clone]);
  symlinkSync(resolve("node_modules"), join(clone, "node_modules"));

  const first = await start();
  report("first start, searching its own source", first.elapsedMs, FIRST_START_MS);
  const answer = shell(first.curl);
  const results = (JSON.parse(answer) as { results: unknown[] }).results;
  if (results.length === 0) throw new Error(`the printed curl found nothing: ${answer}`);
  console.log(`the printed curl answers with ${results.length} results`);

  // The API guide reads the variables that the quick start sets.
  for (const pages of [["README.md"], ["docs/quick-start.md", "docs/api.md"]]) {
    const blocks = pages.flatMap((page) => shellBlocks(readFileSync(join(clone, page), "utf8")));
    const own = blocks.filter((block) => !/npm (?:start|install)/.test(block));
    if (own.length === 0) throw new Error(`${pages} have no shell block that runs`);
    console.log(shell(own.join("\n")).trim().split("\n").slice(-1)[0]?.slice(0, 200));
    console.log(`${own.length} shell blocks of ${pages.join(" and ")} ran`);
  }
  await stop();

  const second = await start();
  report("second start", second.elapsedMs, SECOND_START_MS);
  if ((JSON.parse(shell(second.curl)) as { results: unknown[] }).results.length === 0) {
    throw new Error("the second start lost what the first had indexed");
  }
  await stop();
} finally {
  (running as ChildProcess | null)?.kill("SIGKILL");
  rmSync(resolve(clone, ".."), { recursive: true, force: true });
}

/** `npm start` until it prints a `curl`. */
function start(): Promise<{ curl: string; elapsedMs: number }> {
  const began = performance.now();
  const child = spawn("npm", ["start"], { cwd: clone, stdio: ["ignore", "pipe", "pipe"], detached: true });
  running = child;
  return new Promise((done, fail) => {
    let output = "";
    const read = (part: Buffer) => {
      output += part.toString();
      const curl = /^\s*(curl (?:[^\n]*\\\n)*[^\n]*)\n/m.exec(output)?.[1];
      if (curl !== undefined) done({ curl, elapsedMs: performance.now() - began });
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", (code) => fail(new Error(`npm start ended with ${code}:\n${output}`)));
    setTimeout(() => fail(new Error(`npm start printed no curl:\n${output}`)), 4 * FIRST_START_MS).unref();
  });
}

/** CTRL-C: the terminal sends SIGINT to the whole group. */
async function stop(): Promise<void> {
  const child = running;
  if (child?.pid === undefined) throw new Error("nothing runs");
  const began = performance.now();
  child.removeAllListeners("exit");
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  process.kill(-child.pid, "SIGINT");
  await Promise.race([ended, new Promise((done) => setTimeout(done, STOP_MS))]);
  report("CTRL-C", performance.now() - began, STOP_MS);
  await new Promise((done) => setTimeout(done, 500));
  const left = processesIn(clone);
  if (left.length > 0) throw new Error(`still running after CTRL-C: ${left.join("; ")}`);
  running = null;
}

/** Command lines of processes that work in the folder (Linux; elsewhere none are found). */
function processesIn(folder: string): string[] {
  try {
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .flatMap((pid) => {
        try {
          const cwd = readlinkSync(`/proc/${pid}/cwd`);
          const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
          return cwd.startsWith(folder) || command.includes(folder) ? [`${pid} ${command}`] : [];
        } catch {
          return [];
        }
      });
  } catch {
    return [];
  }
}

function shell(script: string): string {
  return execFileSync("bash", ["-euo", "pipefail", "-c", script], { cwd: clone, encoding: "utf8" });
}

function shellBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "");
}

/** What is promised for a machine of one's own; a shared one may take three times as long. */
function report(what: string, elapsedMs: number, promisedMs: number): void {
  const word = elapsedMs > promisedMs ? "LATE" : "in time";
  console.log(`${what}: ${(elapsedMs / 1000).toFixed(1)} s, ${word} (promised: ${promisedMs / 1000} s)`);
  if (elapsedMs > 3 * promisedMs) throw new Error(`${what} took more than three times what is promised`);
}
