import { DIMENSIONS } from "./model.ts";
import type { OnnxWriter } from "./onnx-writer.ts";
import type { FloatTensor } from "./safetensors.ts";

/**
 * What a product's input comes from: a layer normalisation, the attention's weighted mean, or the GELU.
 * They differ in spread, and so in how 8 bits are best spent on them.
 */
export type ActivationSource = "normalised" | "attention" | "gelu";

/** One linear layer: input · weightᵀ + bias, where weight is [outputs, inputs], as PyTorch stores it. */
export interface Linear {
  weight: FloatTensor;
  bias: Float32Array;
}

/** How a graph multiplies: in single precision (the reference) or in 8-bit integers. */
export interface Arithmetic {
  /** Rows of a table [rows, width], picked by token ids. */
  lookUp(graph: OnnxWriter, table: FloatTensor, ids: string): string;
  /** @returns the output of each layer, all fed with the same input. */
  multiply(graph: OnnxWriter, input: string, source: ActivationSource, layers: readonly Linear[]): string[];
}

export const SINGLE_PRECISION: Arithmetic = {
  lookUp: (graph, table, ids) => graph.node("Gather", [graph.floats(table.shape, table.values), ids]),
  multiply: (graph, input, _source, layers) =>
    layers.map(({ weight, bias }) => {
      const [outputs, inputs] = matrixShape(weight);
      const transposed = graph.floats([inputs, outputs], transpose(weight.values, outputs, inputs));
      return graph.node("Add", [graph.node("MatMul", [input, transposed]), graph.floats([outputs], bias)]);
    }),
};

/**
 * Channels of the normalised activations that stand far out in this model (up to 28 where the median is 1.8),
 * and by how much they are scaled down before quantisation; the weights take up the factor, so the product is
 * unchanged (SmoothQuant, arXiv:2211.10438). Without it these few channels claim most of the 8 bits, and the
 * worst cosine to single precision over varied texts is 0.973; with it, and with rows scaled for the GELU,
 * 0.994.
 */
const LOUD_CHANNELS: Readonly<Record<number, number>> = { 63: 3, 99: 8, 157: 2, 223: 4 };

/**
 * Weights symmetric in 8 bits for each output; activations in 8 bits, scaled as they come: one scale for all
 * tokens, except after the GELU, where they differ too much and each is scaled by its own maximum. Embeddings
 * would depend on what else is in the batch, so texts are run one at a time (session.ts).
 */
export const INT8: Arithmetic = {
  lookUp(graph, table, ids) {
    const [rows] = matrixShape(table);
    const { codes, scales } = quantiseRows(table);
    const picked = graph.node("Gather", [graph.bytes(table.shape, codes), ids]);
    const floats = graph.node("Cast", [picked], { attributes: { to: { int: 1 } } });
    return graph.node("Mul", [floats, graph.node("Gather", [graph.floats([rows, 1], scales), ids])]);
  },
  multiply(graph, input, source, layers) {
    if (source === "gelu") return multiplyByRow(graph, input, layers);
    if (source === "attention") return multiplyAsWhole(graph, input, layers);
    const factors = Float32Array.from({ length: DIMENSIONS }, (_, channel) => LOUD_CHANNELS[channel] ?? 1);
    const quiet = graph.node("Mul", [
      input,
      graph.floats(
        [DIMENSIONS],
        factors.map((factor) => 1 / factor),
      ),
    ]);
    return multiplyAsWhole(
      graph,
      quiet,
      layers.map(({ weight, bias }) => ({ weight: scaleColumns(weight, factors), bias })),
    );
  },
};

/** A quantised activation: value ≈ (code − zero) × scale. */
interface Codes {
  codes: string;
  scale: string;
  zero: string;
}

function multiplyAsWhole(graph: OnnxWriter, input: string, layers: readonly Linear[]): string[] {
  const [codes = "", scale = "", zero = ""] = graph.nodes("DynamicQuantizeLinear", [input], { outputs: 3 });
  return layers.map(({ weight, bias }) =>
    multiplyCodes(graph, { codes, scale, zero }, weight, graph.floats([bias.length], bias)),
  );
}

/**
 * GELU never falls below −0.17, so the codes 0..32 are enough for what is negative, and 223 steps are left
 * for the positive side, up to the row's maximum.
 */
function multiplyByRow(graph: OnnxWriter, input: string, layers: readonly Linear[]): string[] {
  const zeroCode = 32;
  const zero = graph.bytes([], Uint8Array.of(zeroCode));
  const scale = graph.floats([], [1 / (255 - zeroCode)]);
  const maxima = graph.node("ReduceMax", [input], {
    attributes: { axes: { ints: [-1] }, keepdims: { int: 1 } },
  });
  const range = graph.node("Max", [maxima, graph.floats([1], [1e-9])]);
  const scaled = graph.node("Mul", [input, graph.node("Reciprocal", [range])]);
  const codes = graph.node("QuantizeLinear", [scaled, scale, zero]);
  return layers.map(({ weight, bias }) => {
    const product = multiplyCodes(graph, { codes, scale, zero }, weight, "");
    return graph.node("Add", [graph.node("Mul", [product, range]), graph.floats([bias.length], bias)]);
  });
}

function multiplyCodes(graph: OnnxWriter, input: Codes, weight: FloatTensor, bias: string): string {
  const [outputs, inputs] = matrixShape(weight);
  const { codes, scales } = quantiseRows(weight);
  const transposed = graph.bytes([inputs, outputs], transpose(codes, outputs, inputs));
  return graph.node(
    "MatMulIntegerToFloat",
    [input.codes, transposed, input.scale, graph.floats([outputs], scales), input.zero, "", bias],
    { contrib: true },
  );
}

function scaleColumns({ shape, values }: FloatTensor, factors: Float32Array): FloatTensor {
  return { shape, values: values.map((value, index) => value * (factors[index % factors.length] ?? 1)) };
}

/** Symmetric codes −127..127 with a scale for each row: value ≈ code × scale. */
export function quantiseRows(matrix: FloatTensor): { codes: Int8Array; scales: Float32Array } {
  const [rows, columns] = matrixShape(matrix);
  const codes = new Int8Array(rows * columns);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = matrix.values.subarray(row * columns, (row + 1) * columns);
    let largest = Number.MIN_VALUE;
    for (const value of values) largest = Math.max(largest, Math.abs(value));
    const scale = largest / 127;
    scales[row] = scale;
    for (let column = 0; column < columns; column++) {
      codes[row * columns + column] = Math.round((values[column] ?? 0) / scale);
    }
  }
  return { codes, scales };
}

function matrixShape({ shape }: FloatTensor): readonly [rows: number, columns: number] {
  const [rows, columns] = shape;
  if (rows === undefined || columns === undefined) throw new Error(`A matrix was expected, not [${shape}]`);
  return [rows, columns];
}

function transpose<Values extends Float32Array | Int8Array>(
  values: Values,
  rows: number,
  columns: number,
): Values {
  const transposed = values.slice() as Values;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      transposed[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return transposed;
}
