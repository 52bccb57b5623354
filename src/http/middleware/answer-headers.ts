import type { AppContext } from "../context.ts";

/** Sets headers of the answer, also where it came from elsewhere (an asset, an object) and is immutable. */
export function setHeaders(c: AppContext, headers: Readonly<Record<string, string>>): void {
  try {
    setAll(c.res.headers, headers);
  } catch {
    // Hono copies the headers of the answer before it over this one's.
    c.res = new Response(c.res.body, c.res);
    setAll(c.res.headers, headers);
  }
}

function setAll(to: Headers, headers: Readonly<Record<string, string>>): void {
  for (const name in headers) to.set(name, headers[name] ?? "");
}

/** Names an input that the answer depends on, for caches; those named already stay. */
export function vary(c: AppContext, name: string): void {
  const before = c.res.headers.get("vary");
  const names = (before ?? "").split(",").map((part) => part.trim().toLowerCase());
  if (names.includes(name.toLowerCase()) || names.includes("*")) return;
  setHeaders(c, { vary: before === null ? name : `${before}, ${name}` });
}
