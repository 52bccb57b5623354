import { z } from "@hono/zod-openapi";
import { DevFlowError, type FieldError } from "../core/errors.ts";

/** Refused fields that a problem names; there may be thousands. */
const FIELDS_TOLD = 50;

/** Parses by the schema. Errors: `invalid_request` with a pointer for each refused field, of the first ones. */
export function validate<S extends z.ZodType>(schema: S, value: unknown, root: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = fieldErrors(result.error, root);
  const [first] = errors;
  const detail =
    first === undefined ? "The request is invalid." : `${first.pointer || "The body"}: ${first.message}`;
  throw new DevFlowError("invalid_request", detail, { errors });
}

function fieldErrors(error: z.ZodError, root: string): FieldError[] {
  const told = error.issues.slice(0, FIELDS_TOLD).flatMap((issue) => {
    const pointer = root + issue.path.map((part) => `/${escapePointer(String(part))}`).join("");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, FIELDS_TOLD).map((key) => ({
        pointer: `${pointer}/${escapePointer(key.slice(0, 100))}`,
        message: "Unknown field.",
      }));
    }
    return [{ pointer, message: issue.message }];
  });
  return told.slice(0, FIELDS_TOLD);
}

/** RFC 6901, section 3. */
function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * An array of very many items: after the first refused ones it is read no further. Thousands of them would take more
 * memory than the items, and more arguments than a call may have.
 */
export function manyOf<S extends z.ZodType>(item: S, max: number, tooMany: string) {
  const { $schema: _, ...items } = z.toJSONSchema(item, { io: "input" });
  return z
    .array(z.unknown())
    .max(max, tooMany)
    .transform((entries, context) => {
      const taken: z.output<S>[] = [];
      for (const [i, entry] of entries.entries()) {
        const result = item.safeParse(entry);
        if (result.success) taken.push(result.data);
        else {
          for (const { path, ...issue } of result.error.issues) {
            context.issues.push({ ...issue, path: [i, ...path], input: entry } as z.core.$ZodRawIssue);
          }
        }
        if (context.issues.length >= FIELDS_TOLD) return z.NEVER;
      }
      return taken;
    })
    .openapi({ type: "array" as const, maxItems: max, items: items as Record<string, unknown> });
}

/**
 * The query as it stands in the URL, each value decoded once. A name that is given twice is refused,
 * and so is what does not decode to UTF-8: `URLSearchParams` would put U+FFFD in its place silently.
 */
export function parseQuery(url: string): Record<string, string> {
  const start = url.indexOf("?");
  const end = url.indexOf("#");
  const search = start < 0 ? "" : url.slice(start + 1, end < 0 ? undefined : end);
  const values: Record<string, string> = Object.create(null);
  for (const pair of search.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = decode(at < 0 ? pair : pair.slice(0, at), null);
    const value = decode(at < 0 ? "" : pair.slice(at + 1), name);
    if (name in values) throw queryError(name, "Given more than once.");
    values[name] = value;
  }
  return values;
}

function decode(text: string, name: string | null): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (cause) {
    if (name === "path") {
      throw new DevFlowError("invalid_path", "Invalid file path: it is not valid UTF-8.", { cause });
    }
    throw queryError(name ?? "", "Not valid percent-encoded UTF-8.");
  }
}

function queryError(name: string, message: string): DevFlowError {
  return new DevFlowError("invalid_request", `/query/${name}: ${message}`, {
    errors: [{ pointer: `/query/${escapePointer(name)}`, message }],
  });
}
