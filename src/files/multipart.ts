import {
  MaxPartsExceededError,
  MaxTotalSizeExceededError,
  MultipartParseError,
  type MultipartPart,
  parseMultipartStream,
} from "@remix-run/multipart-parser";
import { DevFlowError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

/** A part of the field `files`. `name` is as the client sent it: any string, with U+FFFD where it is not UTF-8. */
export interface UploadedPart {
  name: string;
  bytes: Uint8Array;
}

/** A path has 1,024 bytes at the most; percent-encoding triples that, and other fields stand beside it. */
const MAX_PART_HEADER_BYTES = 8 * 1024;

/**
 * The files of a `multipart/form-data` body (RFC 7578), one at a time. A part is held in memory while it is read.
 * Errors: `invalid_request` for a body that is malformed or has other fields; `payload_too_large` past 1,000 parts.
 */
export async function* readMultipart(
  body: ReadableStream<Uint8Array>,
  contentType: string,
): AsyncGenerator<UploadedPart> {
  const boundary = boundaryOf(contentType);
  if (boundary === null) throw malformed("Content-Type has no boundary.");
  const options = {
    boundary,
    maxHeaderSize: MAX_PART_HEADER_BYTES,
    maxFileSize: LIMITS.multipartBodyBytes,
    maxTotalSize: LIMITS.multipartBodyBytes,
    maxParts: LIMITS.multipartFiles,
  };
  try {
    for await (const part of parseMultipartStream(body, options)) {
      yield { name: nameOf(part), bytes: part.bytes };
    }
  } catch (error) {
    if (error instanceof MaxPartsExceededError) {
      throw new DevFlowError("payload_too_large", `The body has over ${LIMITS.multipartFiles} files.`, {
        cause: error,
        members: { max_files: LIMITS.multipartFiles },
      });
    }
    if (error instanceof MaxTotalSizeExceededError) {
      throw new DevFlowError("payload_too_large", "The files are too large together.", { cause: error });
    }
    if (error instanceof MultipartParseError) throw malformed(`${error.message}.`, error);
    throw error;
  }
}

function nameOf(part: MultipartPart): string {
  let disposition: string;
  try {
    disposition = part.headers["content-disposition"] ?? "";
  } catch (cause) {
    // The parser decodes a part's headers as strict UTF-8.
    if (cause instanceof TypeError) return "\uFFFD\0";
    throw cause;
  }
  const { name, filename } = parseDisposition(disposition);
  if (name !== "files") throw malformed("Each part must be of the field `files`.");
  if (filename === null) throw malformed("Each part must have a filename, the file's path.");
  return filename;
}

/** RFC 2046, section 5.1.1: 1 to 70 characters of a small alphabet. */
export function boundaryOf(contentType: string): string | null {
  const match = /;\s*boundary=(?:"([^"]*)"|([^\s;]*))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2] ?? "";
  return /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary) ? boundary : null;
}

/**
 * Field and file name of a part. Browsers escape a quote, CR and LF in names as `%22`, `%0D`, `%0A` (HTML, section
 * 4.10.21.8), older clients a quote as `\"`; any other backslash stands for itself, so that a Windows path is seen
 * as what it is. `filename*` (RFC 8187) comes first where it is given.
 */
export function parseDisposition(header: string): { name: string | null; filename: string | null } {
  const parameters = new Map<string, string>();
  for (const [, key = "", quoted, token = ""] of header.matchAll(
    /;\s*([a-z*]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s]*))/gi,
  )) {
    const value = quoted === undefined ? token : unescapeQuoted(quoted);
    if (!parameters.has(key.toLowerCase())) parameters.set(key.toLowerCase(), value);
  }
  const extended = parameters.get("filename*");
  return {
    name: parameters.get("name") ?? null,
    filename: extended === undefined ? (parameters.get("filename") ?? null) : decodeExtended(extended),
  };
}

function unescapeQuoted(text: string): string {
  return text
    .replaceAll('\\"', '"')
    .replaceAll(/%(22|0D|0A)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** `UTF-8''na%C3%AFve.ts`; what does not decode becomes a name that no path rule accepts. */
function decodeExtended(value: string): string {
  const match = /^utf-8'[^']*'(.*)$/i.exec(value);
  try {
    if (match?.[1] !== undefined) return decodeURIComponent(match[1]);
  } catch {
    // Not UTF-8: refused as a path below.
  }
  return `${value}\0`;
}

function malformed(detail: string, cause?: unknown): DevFlowError {
  return new DevFlowError("invalid_request", `The multipart body is malformed: ${detail}`, { cause });
}
