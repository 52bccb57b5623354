import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

/** Starts the real Chroma server for the integration tests. */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), "devflow-test-"));
  const port = await freePort();
  const chroma = spawn(
    process.execPath,
    [
      "node_modules/chromadb/dist/cli.mjs",
      "run",
      "--path",
      folder,
      "--host",
      "127.0.0.1",
      "--port",
      `${port}`,
    ],
    { stdio: "ignore" },
  );
  const chromaUrl = `http://127.0.0.1:${port}`;
  await answers(`${chromaUrl}/api/v2/heartbeat`, chroma);
  project.provide("chromaUrl" as never, chromaUrl as never);
  project.provide("embeddingsUrl" as never, "http://127.0.0.1:9/v1" as never);
  return async () => {
    chroma.kill("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  };
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) throw new Error(`the server for ${url} exited with ${child.exitCode}`);
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} did not answer within 30 s`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
