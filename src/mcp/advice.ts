import type { Problem } from "./rest.ts";

/** What an agent may try after a refusal, by the problem's code. */
const NEXT: Record<string, string> = {
  unsupported_pattern: "Use a plainer pattern (no look-around, no back-references), or set literal to true.",
  invalid_path: "Give a path relative to the workspace's root, as list_files and search_code print them.",
  invalid_cursor: "Leave cursor out and start again: it belongs to one query.",
  not_found: "Look for the right path with list_files, or by name with find_symbol.",
  insufficient_scope: "This credential may not do that; the other tools may still work.",
  budget_exhausted: "Nothing more is embedded this month; grep and find_symbol cost no tokens.",
  embedding_mismatch: "The index was made with another model; an operator has to reindex. grep still works.",
  upstream_unavailable: "Try again shortly, or use grep and find_symbol, which need no other service.",
  ai_not_configured:
    "No chat model is set up: use search_code and read_file, and answer from what they show.",
};

/** What went wrong, and what to do next, in words for a model. */
export function adviceOn(problem: Problem): string {
  const { code, detail, request_id: requestId } = problem;
  const wait = problem["retry_after_seconds"];
  const next =
    typeof wait === "number" ? `Wait ${wait} seconds before the next call of this kind.` : NEXT[code];
  return [`${detail} (${code})`, next, `Request ${requestId}.`]
    .filter((part) => part !== undefined)
    .join("\n");
}
