import { describe, expect, it } from "vitest";
import { readSafetensors } from "../../../scripts/embedder/safetensors.ts";

/** A file of one tensor, with the bytes beginning at an odd offset. */
function fileOf(dtype: string, shape: number[], bytes: Buffer): Buffer {
  const header = JSON.stringify({
    __metadata__: { format: "pt" },
    tensor: { dtype, shape, data_offsets: [0, bytes.length] },
  });
  const padded = header.length % 2 === 0 ? `${header} ` : header;
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, Buffer.from(padded), bytes]);
}

describe("readSafetensors", () => {
  it("widens half precision exactly", () => {
    // 1, −2, the smallest subnormal, the largest finite, infinity.
    const halves = Buffer.from(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00).buffer);
    const tensor = readSafetensors(fileOf("F16", [5], halves)).get("tensor");
    expect([...(tensor?.values ?? [])]).toEqual([1, -2, 2 ** -24, 65_504, Number.POSITIVE_INFINITY]);
    expect(tensor?.shape).toEqual([5]);
  });

  it("reads single precision as it is", () => {
    const floats = Buffer.from(Float32Array.of(0.5, -1.25).buffer);
    expect([...(readSafetensors(fileOf("F32", [1, 2], floats)).get("tensor")?.values ?? [])]).toEqual([
      0.5, -1.25,
    ]);
  });

  it("leaves out what is no floating-point tensor", () => {
    expect(readSafetensors(fileOf("I64", [1], Buffer.alloc(8))).size).toBe(0);
  });
});
