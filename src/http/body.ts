import { DevFlowError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

/** The media type of a request, lower-cased and without parameters; empty where none is given. */
export function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Refuses what the route does not take: another media type, or a compressed body. */
export function requireMediaType(request: Request, allowed: readonly string[]): void {
  const encoding = (request.headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  if (encoding !== "identity" && encoding !== "") {
    throw new DevFlowError("unsupported_media_type", "Send the body without Content-Encoding.");
  }
  if (allowed.includes("*/*") || allowed.includes(mediaType(request))) return;
  throw new DevFlowError("unsupported_media_type", `Send the body as ${allowed.join(" or ")}.`, {
    headers: { accept: allowed.join(", ") },
  });
}

/** Content-Length as a number, or null where it is absent. */
export function contentLength(request: Request): number | null {
  const text = request.headers.get("content-length");
  if (text === null) return null;
  if (!/^\d{1,15}$/.test(text)) throw new DevFlowError("invalid_request", "Content-Length is not a number.");
  return Number(text);
}

/** The failure for a body over its limit. */
export function tooLarge(maxBytes: number): DevFlowError {
  return new DevFlowError("payload_too_large", `The body is larger than ${maxBytes} bytes.`, {
    members: { max_bytes: maxBytes },
  });
}

/** Waits for what the client sends. Errors: `invalid_request` where its connection ends before all has come. */
async function arriving<T>(part: Promise<T>): Promise<T> {
  try {
    return await part;
  } catch (cause) {
    if (cause instanceof DevFlowError) throw cause;
    throw new DevFlowError("invalid_request", "The connection ended before all of the body had come.", {
      cause,
    });
  }
}

/** The body as a stream that fails with `payload_too_large` past `maxBytes`. An absent body is an empty stream. */
export function counted(request: Request, maxBytes: number): ReadableStream<Uint8Array> {
  const declared = contentLength(request);
  if (declared !== null && declared > maxBytes) throw tooLarge(maxBytes);
  const reader = (request.body ?? new Blob([]).stream()).getReader();
  let length = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await arriving(reader.read());
        if (done) return controller.close();
        length += value.byteLength;
        if (length > maxBytes) {
          await reader.cancel();
          throw tooLarge(maxBytes);
        }
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/**
 * The body, counted while it streams: Content-Length is the client's word only.
 * Errors: `payload_too_large` past `maxBytes`.
 */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = contentLength(request);
  if (declared !== null && declared > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array(0);
  return arriving(
    declared === null ? readWhole(request.body, maxBytes) : readDeclared(request.body, declared),
  );
}

async function readWhole(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

/** Into one array of the declared length: parts and a copy of them would take twice the memory. */
async function readDeclared(
  body: ReadableStream<Uint8Array>,
  declared: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(declared);
  let length = 0;
  for await (const part of body) {
    if (length + part.byteLength > declared) break;
    bytes.set(part, length);
    length += part.byteLength;
  }
  if (length === declared) return bytes;
  throw new DevFlowError("invalid_request", "The body is not as long as Content-Length says.");
}

/** What a JSON body may hold: bytes, levels of nesting, and values, each member and element counted as one. */
export interface JsonBounds {
  maxBytes: number;
  maxDepth: number;
  maxValues: number;
}

/** Those of every body that names no other. */
export const JSON_BOUNDS: JsonBounds = {
  maxBytes: LIMITS.jsonBodyBytes,
  maxDepth: LIMITS.jsonDepth,
  maxValues: LIMITS.jsonValues,
};

/**
 * JSON of bounded size, depth and number of values. They are counted before parsing: nesting could exhaust the stack,
 * and a value of two bytes takes thirty times as much memory as an object, and more as a refused field.
 * Errors: `payload_too_large`; `invalid_request` for bytes that are not UTF-8, malformed JSON, too deep or too many.
 */
export async function readJson(request: Request, bounds: JsonBounds): Promise<unknown> {
  const bytes = await readBytes(request, bounds.maxBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new DevFlowError("invalid_request", "The body is not valid UTF-8.", { cause });
  }
  if (text.trim() === "") throw new DevFlowError("invalid_request", "The body is empty; send JSON.");
  const { depth, values } = extentOf(text);
  if (depth > bounds.maxDepth) {
    throw new DevFlowError("invalid_request", `The JSON is nested deeper than ${bounds.maxDepth} levels.`);
  }
  if (values > bounds.maxValues) {
    throw new DevFlowError("invalid_request", `The JSON has over ${bounds.maxValues} values.`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DevFlowError("invalid_request", "The body is not valid JSON.", { cause });
  }
}

/** Deepest nesting of arrays and objects, and the values in them; strings are skipped. Says nothing of validity. */
export function extentOf(json: string): { depth: number; values: number } {
  let depth = 0;
  let deepest = 0;
  let values = 1;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x2c) values++;
    else if (code === 0x7b || code === 0x5b) {
      depth++;
      values++;
      if (depth > deepest) deepest = depth;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return { depth: deepest, values };
}
