/// <reference lib="esnext.float16" />

/** A tensor in single precision, row-major. */
export interface FloatTensor {
  shape: readonly number[];
  values: Float32Array;
}

interface TensorEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/**
 * Reads a safetensors file (https://huggingface.co/docs/safetensors): an 8-byte length, a JSON header, then
 * the tensors' bytes. Half precision is widened; tensors that are neither F16 nor F32 are left out.
 */
export function readSafetensors(file: Buffer): Map<string, FloatTensor> {
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header: Record<string, TensorEntry> = JSON.parse(file.toString("utf8", 8, 8 + headerBytes));
  const start = 8 + headerBytes;
  const tensors = new Map<string, FloatTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = entry.data_offsets;
    // Copied, so that the typed array begins on a boundary of its element size.
    const { buffer } = Uint8Array.from(file.subarray(start + from, start + to));
    if (entry.dtype === "F32") tensors.set(name, { shape: entry.shape, values: new Float32Array(buffer) });
    if (entry.dtype === "F16") {
      tensors.set(name, { shape: entry.shape, values: new Float32Array(new Float16Array(buffer)) });
    }
  }
  return tensors;
}
