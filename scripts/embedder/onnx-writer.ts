/**
 * Writes an ONNX model: the few fields of onnx.proto3 that a graph of tensors and operators needs, in the
 * protocol-buffers wire format (https://protobuf.dev/programming-guides/encoding/, onnx/onnx.proto3).
 */

/** TensorProto.DataType. */
const DATA_TYPE = { float: 1, uint8: 2, int8: 3, int64: 7 } as const;
type DataType = keyof typeof DATA_TYPE;

/** AttributeProto.AttributeType. */
const ATTRIBUTE = { float: 1, int: 2, ints: 7 } as const;
export type Attribute = { float: number } | { int: number } | { ints: readonly number[] };

const MICROSOFT = "com.microsoft";
const IR_VERSION = 8;
const OPSET = 17;
const MICROSOFT_OPSET = 1;

export interface NodeOptions {
  attributes?: Readonly<Record<string, Attribute>>;
  /** An operator of ONNX Runtime's own (docs/ContribOperators.md), not of the ONNX standard. */
  contrib?: boolean;
  outputs?: number;
}

/** A graph under construction. Values are named by what the methods return; an absent input is "". */
export class OnnxWriter {
  readonly #nodes: Buffer[] = [];
  readonly #initializers: Buffer[] = [];
  #values = 0;

  floats(shape: readonly number[], values: Float32Array | readonly number[]): string {
    return this.#initializer(
      "float",
      shape,
      values instanceof Float32Array ? values : new Float32Array(values),
    );
  }

  bytes(shape: readonly number[], values: Int8Array | Uint8Array): string {
    return this.#initializer(values instanceof Int8Array ? "int8" : "uint8", shape, values);
  }

  integers(shape: readonly number[], values: readonly number[]): string {
    return this.#initializer("int64", shape, BigInt64Array.from(values, BigInt));
  }

  /** Adds an operator with one output and returns that output. */
  node(operator: string, inputs: readonly string[], options: NodeOptions = {}): string {
    const [output = ""] = this.nodes(operator, inputs, { ...options, outputs: 1 });
    return output;
  }

  /** Adds an operator and returns its outputs. */
  nodes(operator: string, inputs: readonly string[], options: NodeOptions = {}): string[] {
    const outputs = Array.from({ length: options.outputs ?? 1 }, () => this.#name(operator));
    this.#nodes.push(
      Buffer.concat([
        ...inputs.map((input) => field(1, input)),
        ...outputs.map((output) => field(2, output)),
        field(3, outputs[0] ?? operator),
        field(4, operator),
        ...Object.entries(options.attributes ?? {}).map(([name, value]) => field(5, attribute(name, value))),
        ...(options.contrib ? [field(7, MICROSOFT)] : []),
      ]),
    );
    return outputs;
  }

  /** @returns the ModelProto: one int64 input and one float output, whose dimensions may be symbolic. */
  model(
    input: { name: string; shape: readonly (string | number)[] },
    output: { name: string; value: string; shape: readonly (string | number)[] },
  ): Buffer {
    this.#nodes.push(
      Buffer.concat([
        field(1, output.value),
        field(2, output.name),
        field(3, output.name),
        field(4, "Identity"),
      ]),
    );
    const graph = Buffer.concat([
      ...this.#nodes.map((node) => field(1, node)),
      field(2, "embedding"),
      ...this.#initializers.map((tensor) => field(5, tensor)),
      field(11, valueInfo(input.name, DATA_TYPE.int64, input.shape)),
      field(12, valueInfo(output.name, DATA_TYPE.float, output.shape)),
    ]);
    return Buffer.concat([
      field(1, IR_VERSION),
      field(7, graph),
      field(8, Buffer.concat([field(1, ""), field(2, OPSET)])),
      field(8, Buffer.concat([field(1, MICROSOFT), field(2, MICROSOFT_OPSET)])),
    ]);
  }

  #initializer(type: DataType, shape: readonly number[], values: NodeJS.TypedArray): string {
    const name = this.#name("constant");
    this.#initializers.push(
      Buffer.concat([
        ...shape.map((size) => field(1, size)),
        field(2, DATA_TYPE[type]),
        field(8, name),
        field(9, Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
      ]),
    );
    return name;
  }

  #name(hint: string): string {
    return `${hint}_${this.#values++}`;
  }
}

function attribute(name: string, value: Attribute): Buffer {
  if ("float" in value) {
    return Buffer.concat([field(1, name), floatField(2, value.float), field(20, ATTRIBUTE.float)]);
  }
  if ("int" in value) return Buffer.concat([field(1, name), field(3, value.int), field(20, ATTRIBUTE.int)]);
  return Buffer.concat([
    field(1, name),
    ...value.ints.map((int) => field(8, int)),
    field(20, ATTRIBUTE.ints),
  ]);
}

/** ValueInfoProto: a name, an element type and dimensions. */
function valueInfo(name: string, type: number, shape: readonly (string | number)[]): Buffer {
  const dimensions = shape.map((size) =>
    field(1, typeof size === "string" ? field(2, size) : field(1, size)),
  );
  const tensorType = Buffer.concat([field(1, type), field(2, Buffer.concat(dimensions))]);
  return Buffer.concat([field(1, name), field(2, field(1, tensorType))]);
}

/** A field: wire type 0 (varint) for numbers, 2 (length-delimited) for text and bytes. */
function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === "number") return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/** A field of wire type 5: 32 bits, little-endian. */
function floatField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((number << 3) | 5), bytes]);
}

/** Base-128 varint; negative numbers as 64-bit two's complement. */
function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
