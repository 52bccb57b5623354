import { DIMENSIONS, MODEL_NAME } from "./model.ts";
import type { Embedded } from "./session.ts";

/** Inputs of one request, as OpenAI allows. */
export const MAX_INPUTS = 2048;

export type EncodingFormat = "float" | "base64";

export interface EmbeddingRequest {
  texts: readonly string[];
  encoding: EncodingFormat;
}

/** A refusal in the shape of OpenAI's API: `{error: {message, type, param, code}}`. */
export class ApiError extends Error {
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;

  constructor(status: number, message: string, { param = null, code = null }: ErrorDetail = {}) {
    super(message);
    this.status = status;
    this.param = param;
    this.code = code;
  }

  toJSON(): object {
    const type = this.status < 500 ? "invalid_request_error" : "server_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

interface ErrorDetail {
  param?: string | null;
  code?: string | null;
}

const KNOWN_PARAMETERS = new Set(["model", "input", "encoding_format", "dimensions", "user"]);

/** @throws ApiError 400 for what OpenAI refuses, or this model cannot do; 404 for another model. */
export function parseEmbeddingRequest(body: unknown): EmbeddingRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new ApiError(400, "The body must be a JSON object.");
  }
  const request: Record<string, unknown> = { ...body };
  const unknown = Object.keys(request).find((name) => !KNOWN_PARAMETERS.has(name));
  if (unknown !== undefined) {
    throw new ApiError(400, `Unrecognized request argument supplied: ${unknown}`, {
      param: unknown,
      code: "unknown_parameter",
    });
  }
  checkModel(request["model"]);
  if (request["dimensions"] !== undefined && request["dimensions"] !== null) {
    throw new ApiError(
      400,
      `${MODEL_NAME} does not support specifying dimensions: its embeddings always have ${DIMENSIONS}. Leave the parameter out.`,
      { param: "dimensions", code: "unsupported_parameter" },
    );
  }
  return { texts: parseInput(request["input"]), encoding: parseEncoding(request["encoding_format"]) };
}

function checkModel(model: unknown): void {
  if (model === undefined || model === null || model === "") {
    throw new ApiError(400, "You must provide a model parameter.", {
      param: "model",
      code: "missing_required_parameter",
    });
  }
  if (model !== MODEL_NAME) {
    throw new ApiError(
      404,
      `The model ${JSON.stringify(model)} does not exist; this server has ${MODEL_NAME}.`,
      {
        param: "model",
        code: "model_not_found",
      },
    );
  }
}

function parseInput(input: unknown): readonly string[] {
  if (input === undefined || input === null) {
    throw new ApiError(400, "Missing required parameter: 'input'.", {
      param: "input",
      code: "missing_required_parameter",
    });
  }
  if (typeof input === "string") return [parseText(input, "input")];
  if (!Array.isArray(input)) throw wrongType("input");
  if (input.length === 0) {
    throw new ApiError(400, "Invalid 'input': expected at least one text, but got an empty array.", {
      param: "input",
      code: "empty_array",
    });
  }
  if (input.length > MAX_INPUTS) {
    throw new ApiError(
      400,
      `Invalid 'input': array too long. Expected at most ${MAX_INPUTS} texts, but got ${input.length}.`,
      { param: "input", code: "array_above_max_length" },
    );
  }
  return input.map((text, index) => parseText(text, `input[${index}]`));
}

function parseText(text: unknown, param: string): string {
  if (typeof text !== "string") throw wrongType(param);
  if (text === "") {
    throw new ApiError(400, `Invalid '${param}': input cannot be an empty string.`, {
      param,
      code: "invalid_value",
    });
  }
  return text;
}

function wrongType(param: string): ApiError {
  const message = `Invalid type for '${param}': expected text; arrays of token ids are not supported here.`;
  return new ApiError(400, message, { param, code: "invalid_type" });
}

function parseEncoding(encoding: unknown): EncodingFormat {
  if (encoding === undefined || encoding === null || encoding === "float") return "float";
  if (encoding === "base64") return "base64";
  throw new ApiError(400, "Invalid 'encoding_format': expected 'float' or 'base64'.", {
    param: "encoding_format",
    code: "invalid_value",
  });
}

/** The answer to an embedding request; base64 holds little-endian 32-bit floats. */
export function renderEmbeddings({ vectors, tokens }: Embedded, encoding: EncodingFormat): object {
  const data = Array.from({ length: vectors.length / DIMENSIONS }, (_, index) => {
    const vector = vectors.subarray(index * DIMENSIONS, (index + 1) * DIMENSIONS);
    return {
      object: "embedding",
      index,
      embedding:
        encoding === "base64"
          ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64")
          : [...vector],
    };
  });
  return { object: "list", data, model: MODEL_NAME, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

/** The answer to `GET /v1/models`. */
export function renderModels(): object {
  return { object: "list", data: [{ id: MODEL_NAME, object: "model", created: 0, owned_by: "local" }] };
}
