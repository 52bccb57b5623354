import { env } from "cloudflare:workers";
import type { CommittedChunk, FileToCommit, WorkspaceIndex } from "../../src/core/ports.ts";

const { WORKSPACE_INDEX } = env as unknown as Env;

/** The index object of a workspace that no other test uses. */
export function newIndex(name: string = crypto.randomUUID()): WorkspaceIndex {
  return WORKSPACE_INDEX.get(WORKSPACE_INDEX.idFromName(name)) as unknown as WorkspaceIndex;
}

/** A chunk as a test names it: its text, and what differs from a block. The hash is the text itself. */
export interface TestChunk extends Partial<Omit<CommittedChunk, "id">> {
  text: string;
}

export function chunkOf(chunk: TestChunk | string, ordinal: number): Omit<CommittedChunk, "id"> {
  const given = typeof chunk === "string" ? { text: chunk } : chunk;
  return {
    startLine: ordinal * 10 + 1,
    endLine: ordinal * 10 + 10,
    kind: "block",
    symbol: null,
    parent: null,
    signature: null,
    doc: null,
    definitions: [],
    embedHash: `hash of ${given.text}`,
    ...given,
  };
}

/** Plans the file and returns what to commit, as the queue consumer does; null where the plan is stale. */
export async function planned(
  index: WorkspaceIndex,
  path: string,
  generation: number,
  chunks: (TestChunk | string)[],
  language = "typescript",
): Promise<FileToCommit | null> {
  const wanted = chunks.map(chunkOf);
  const [plan] = await index.plan([{ path, generation, chunks: wanted }]);
  if (plan?.outcome !== "write") return null;
  return {
    path,
    generation,
    baseGeneration: plan.baseGeneration,
    language,
    chunks: wanted.map((chunk, i) => ({ ...chunk, id: plan.chunks[i]?.id ?? "" })),
  };
}

/** Plans and commits a file that nobody else writes; returns the ids of its chunks. */
export async function bringIn(
  index: WorkspaceIndex,
  path: string,
  generation: number,
  chunks: (TestChunk | string)[],
  language = "typescript",
): Promise<string[]> {
  const file = await planned(index, path, generation, chunks, language);
  if (file === null) throw new Error(`${path} is stale`);
  const [commit] = await index.commit([file]);
  if (commit?.outcome !== "committed") throw new Error(`${path}: ${commit?.outcome}`);
  return file.chunks.map(({ id }) => id);
}

export const ANYTHING = { path: null, languages: [], extensions: [], kinds: [] };
