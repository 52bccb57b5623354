import type { Arithmetic, Linear } from "./arithmetic.ts";
import { DIMENSIONS } from "./model.ts";
import { OnnxWriter } from "./onnx-writer.ts";
import type { FloatTensor } from "./safetensors.ts";

/** all-MiniLM-L6-v2 is a BERT of six layers with twelve attention heads (its config.json). */
const LAYERS = 6;
const HEADS = 12;
const NORM_EPSILON = 1e-12;

/**
 * The model as an ONNX graph: `input_ids` int64 [batch, tokens] → `embedding` float [batch, 384] of length 1,
 * the mean over the tokens of the last layer. All texts of a batch have as many tokens as each other, so the
 * graph needs neither padding nor a mask.
 */
export function buildMiniLm(weights: ReadonlyMap<string, FloatTensor>, arithmetic: Arithmetic): Buffer {
  const graph = new OnnxWriter();

  const tensor = (name: string): FloatTensor => {
    const found = weights.get(name);
    if (found === undefined) throw new Error(`The model's weights lack "${name}"`);
    return found;
  };
  const vector = (name: string): string => graph.floats([DIMENSIONS], tensor(name).values);
  const normalise = (name: string, input: string): string =>
    graph.node("LayerNormalization", [input, vector(`${name}.weight`), vector(`${name}.bias`)], {
      attributes: { axis: { int: -1 }, epsilon: { float: NORM_EPSILON } },
    });

  const embed = (): string => {
    const words = arithmetic.lookUp(graph, tensor("embeddings.word_embeddings.weight"), "input_ids");
    const tokens = graph.node("Gather", [graph.node("Shape", ["input_ids"]), graph.integers([1], [1])]);
    const start = graph.integers([1], [0]);
    const places = graph.node("Slice", [graph.floats(...placeEmbeddings(tensor)), start, tokens, start]);
    return normalise("embeddings.LayerNorm", graph.node("Add", [words, places]));
  };

  const linear = (name: string, scale = 1): Linear => {
    const weight = tensor(`${name}.weight`);
    return {
      weight: { shape: weight.shape, values: weight.values.map((value) => value * scale) },
      bias: tensor(`${name}.bias`).values.map((value) => value * scale),
    };
  };
  const permute = (input: string, order: readonly number[]): string =>
    graph.node("Transpose", [input], { attributes: { perm: { ints: order } } });

  const attend = (name: string, input: string): string => {
    const projections = arithmetic.multiply(graph, input, "normalised", [
      linear(`${name}.self.query`, 1 / Math.sqrt(DIMENSIONS / HEADS)), // the attention's 1/√d, folded in
      linear(`${name}.self.key`),
      linear(`${name}.self.value`),
    ]);
    const byHead = graph.integers([4], [0, 0, HEADS, DIMENSIONS / HEADS]);
    const [query = "", key = "", value = ""] = projections.map((projection) =>
      permute(graph.node("Reshape", [projection, byHead]), [0, 2, 1, 3]),
    );
    const likeness = graph.node("Softmax", [graph.node("MatMul", [query, permute(key, [0, 1, 3, 2])])], {
      attributes: { axis: { int: -1 } },
    });
    const mixed = permute(graph.node("MatMul", [likeness, value]), [0, 2, 1, 3]);
    const context = graph.node("Reshape", [mixed, graph.integers([3], [0, 0, DIMENSIONS])]);
    const outputs = arithmetic.multiply(graph, context, "attention", [linear(`${name}.output.dense`)]);
    return normalise(`${name}.output.LayerNorm`, graph.node("Add", [...outputs, input]));
  };

  const feedForward = (name: string, input: string): string => {
    const widened = arithmetic.multiply(graph, input, "normalised", [linear(`${name}.intermediate.dense`)]);
    const activated = graph.node("Gelu", widened, { contrib: true });
    const outputs = arithmetic.multiply(graph, activated, "gelu", [linear(`${name}.output.dense`)]);
    return normalise(`${name}.output.LayerNorm`, graph.node("Add", [...outputs, input]));
  };

  let hidden = embed();
  for (let layer = 0; layer < LAYERS; layer++) {
    const name = `encoder.layer.${layer}`;
    hidden = feedForward(name, attend(`${name}.attention`, hidden));
  }
  const mean = graph.node("ReduceMean", [hidden], {
    attributes: { axes: { ints: [1] }, keepdims: { int: 0 } },
  });
  return graph.model(
    { name: "input_ids", shape: ["batch", "tokens"] },
    {
      name: "embedding",
      value: graph.node("LpNormalization", [mean], { attributes: { axis: { int: -1 }, p: { int: 2 } } }),
      shape: ["batch", DIMENSIONS],
    },
  );
}

/** Position embeddings, with the segment's added: a text is one segment, so each token has the same. */
function placeEmbeddings(tensor: (name: string) => FloatTensor): [readonly number[], Float32Array] {
  const positions = tensor("embeddings.position_embeddings.weight");
  const segments = tensor("embeddings.token_type_embeddings.weight").values;
  return [
    positions.shape,
    positions.values.map((value, index) => value + (segments[index % DIMENSIONS] ?? 0)),
  ];
}
