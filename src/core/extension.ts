/** The last segment of a `/`-separated path. */
export function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What follows the last dot of the file name, lower-cased, without the dot; empty for `Makefile` and `.gitignore`. */
export function extensionOf(path: string): string {
  const name = basename(path);
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/** An extension as callers may write it, with or without its dot and in any case, as `extensionOf` gives it. */
export function normaliseExtension(extension: string): string {
  return extension.replace(/^\./, "").toLowerCase();
}
