import { signal } from "@preact/signals";

export const VIEWS = [
  "search",
  "ask",
  "upload",
  "status",
  "usage",
  "security",
  "keys",
  "deployment",
] as const;
export type View = (typeof VIEWS)[number];

/** Everything that a link can share: the view, the query and its filters, the open file. Never a credential. */
export interface Address {
  view: View;
  q: string;
  mode: string;
  path: string;
  lang: string;
  /** The open file, and the line to show. */
  file: string;
  line: number;
}

export const address = signal<Address>(read());

function read(): Address {
  const query = new URLSearchParams(location.search);
  const view = query.get("view") ?? "search";
  return {
    view: (VIEWS as readonly string[]).includes(view) ? (view as View) : "search",
    q: query.get("q") ?? "",
    mode: query.get("mode") ?? "hybrid",
    path: query.get("path") ?? "",
    lang: query.get("lang") ?? "",
    file: query.get("file") ?? "",
    line: Number(query.get("line") ?? 0) || 0,
  };
}

const DEFAULTS: Record<string, string> = { view: "search", mode: "hybrid", line: "0" };

export function hrefOf(change: Partial<Address>): string {
  const next = { ...address.value, ...change };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(next)) {
    const text = String(value);
    if (text !== "" && text !== DEFAULTS[name]) query.set(name, text);
  }
  const text = query.toString();
  return text === "" ? "/" : `/?${text}`;
}

/** @param how `replace` for what is typed, so that the back button goes to the last place, not the last letter. */
export function go(change: Partial<Address>, how: "push" | "replace" = "push"): void {
  history[how === "push" ? "pushState" : "replaceState"](null, "", hrefOf(change));
  address.value = { ...address.value, ...change };
}

addEventListener("popstate", () => {
  address.value = read();
});
