export interface SymbolName {
  name: string;
  /** What encloses it, where the query says so. */
  parent: string | null;
}

/** `Task.run`, `Task::run`, `Task#run`, `Task->run()` → run within Task; white space around is not part of it. */
export function symbolName(text: string): SymbolName {
  const trimmed = text.trim();
  const bare = trimmed.replace(/\(.*\)$/s, "") || trimmed;
  const parts = bare.split(/\.|::|#|->|\//).filter((part) => part !== "");
  return { name: parts.at(-1) ?? bare, parent: parts.at(-2) ?? null };
}
