import { DevFlowError } from "../core/errors.ts";

/** Entity tags of `If-Match` or `If-None-Match` without their quotes; `*` stands for any. */
export type EntityTags = "*" | string[];

/** The strong entity tag of a file version: its SHA-256, quoted. */
export function entityTag(sha256: string): string {
  return `"${sha256}"`;
}

/**
 * RFC 9110, section 8.8.3 and 13.1. Weak tags never match in the strong comparison of `If-Match`, so they are left
 * out there; `If-None-Match` compares weakly, so that what a compressing proxy made weak still matches.
 * Errors: `invalid_request` for what is no list of entity tags.
 */
export function parseEntityTags(
  header: string | undefined,
  name: string,
  comparison: "strong" | "weak",
): EntityTags | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (text === "*") return "*";
  const item = /\s*(W\/)?"([\x21\x23-\x7e\x80-\uffff]*)"\s*(?:,|$)/y;
  const tags: string[] = [];
  while (item.lastIndex < text.length) {
    const match = item.exec(text);
    if (match === null) throw malformed(name);
    if (match[1] === undefined || comparison === "weak") tags.push(match[2] ?? "");
  }
  if (text === "") throw malformed(name);
  return tags;
}

function malformed(name: string): DevFlowError {
  const message = 'Give entity tags in double quotes, or "*".';
  return new DevFlowError("invalid_request", `/header/${name}: ${message}`, {
    errors: [{ pointer: `/header/${name}`, message }],
  });
}
