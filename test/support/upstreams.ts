import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import type { Child } from "../../scripts/stack/child.ts";
import { startChroma } from "../../scripts/stack/chroma.ts";
import { startEmbedder } from "../../scripts/stack/embedder.ts";
import { openState } from "../../scripts/stack/state.ts";

/** Starts the real Chroma server and the real embedding model for the integration tests, and ends them after. */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), "devflow-test-"));
  const children: Child[] = [];
  const launch = {
    state: openState(folder),
    verbose: false,
    register: (child: Child) => children.push(child),
  };
  const stop = async () => {
    await Promise.all(children.map((child) => child.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const [chroma, embedder] = await Promise.all([startChroma(launch), startEmbedder(launch)]);
    project.provide("chromaUrl" as never, chroma.url as never);
    project.provide("embeddingsUrl" as never, embedder.url as never);
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}
