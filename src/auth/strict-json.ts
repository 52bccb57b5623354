/**
 * A JSON object from bytes, or null: also where the bytes are not UTF-8 (a byte-order mark included), and where
 * any object names a member twice, which parsers read differently (RFC 7515, section 4; RFC 7519, section 4).
 */
export function parseStrictObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    return hasDuplicateNames(text) ? null : (value as Record<string, unknown>);
  } catch {
    // Whatever is wrong with it, it is no such object: the caller needs to know no more.
    return null;
  }
}

/** Whether an object of the text, at any depth, names a member twice. The text must be valid JSON. */
export function hasDuplicateNames(json: string): boolean {
  const open: (Set<string> | null)[] = [];
  for (const [token, string] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*(?::|)|[{}[\]]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (string !== undefined && token.endsWith(":")) {
      // Compared as read: `"\u0061"` and `"a"` are the same name.
      const name = JSON.parse(string) as string;
      const names = open.at(-1);
      if (names?.has(name)) return true;
      names?.add(name);
    }
  }
  return false;
}
