import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import type { Child } from "../../scripts/stack/child.ts";
import { startChroma } from "../../scripts/stack/chroma.ts";
import { startEmbedder } from "../../scripts/stack/embedder.ts";
import { openState } from "../../scripts/stack/state.ts";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts";
import { type StandInChat, startStandInChat } from "./stand-in-chat.ts";

/** Projects whose tests call upstreams. */
const INSIDE_WORKERD = /^(integration|deployment)/;

/** The big list of naughty strings, or null where the corpora do not stand beside the project. */
function naughtyStrings(): string[] | null {
  const file = "../shared/corpora/blns/blns.json";
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  console.warn(`SKIPPED: ${file} is absent; the tests of hostile inputs use a short list of their own`);
  return null;
}

/** The lists of path traversals, or null where the corpora do not stand beside the project. */
function traversalPaths(): string[] | null {
  const folder = "../shared/corpora/traversal";
  if (!existsSync(folder)) {
    console.warn(`SKIPPED: ${folder} is absent; the tests of path traversal use a short list of their own`);
    return null;
  }
  const names = ["directory_traversal.txt", "traversals-8-deep-exotic-encoding.txt"];
  return names.flatMap((name) => readFileSync(join(folder, name), "utf8").split(/\r?\n/));
}

/** In a process of its own: built within vitest, the page would hold vitest's own `import.meta`. */
async function builtPage(): Promise<void> {
  await promisify(execFile)(process.execPath, ["scripts/web/build.ts", "--if-stale"]);
}

/**
 * Starts the real Chroma server and the real embedding model for the tests inside workerd, one of each for all of their
 * projects, and ends them after.
 */
export default async function setup(project: TestProject) {
  if (!project.vitest.projects.some(({ name }) => INSIDE_WORKERD.test(name))) return;
  const folder = await mkdtemp(join(tmpdir(), "devflow-test-"));
  const children: Child[] = [];
  const launch = {
    state: openState(folder),
    verbose: false,
    register: (child: Child) => children.push(child),
  };
  let proxy: CountingProxy | null = null;
  let chat: StandInChat | null = null;
  /** Takes connections, and never answers. */
  const held = new Set<Socket>();
  const silent = createServer((socket) => held.add(socket.on("error", () => {})));
  const stop = async () => {
    for (const socket of held) socket.destroy();
    silent.close();
    await proxy?.stop();
    await chat?.stop();
    await Promise.all(children.map((child) => child.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const [chroma, embedder] = await Promise.all([startChroma(launch), startEmbedder(launch)]);
    await Promise.all([chroma.ready, embedder.ready, builtPage()]);
    project.provide("chromaUrl" as never, chroma.url as never);
    proxy = await startCountingProxy(embedder.url);
    project.provide("embeddingsUrl" as never, proxy.url as never);
    chat = await startStandInChat();
    project.provide("chatUrl" as never, chat.url as never);
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    project.provide(
      "silentUrl" as never,
      `http://127.0.0.1:${(silent.address() as AddressInfo).port}` as never,
    );
    project.provide("naughtyStrings" as never, naughtyStrings() as never);
    project.provide("traversalPaths" as never, traversalPaths() as never);
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}
