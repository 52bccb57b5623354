/** An entry of level `error` in the Worker's log, or an error of wrangler's own, such as a failed build. */
export function findError(line: string): string | null {
  if (!line.includes('"level":"error"')) return line.includes("✘ [ERROR]") ? line : null;
  const entry = /\{.*\}/.exec(line)?.[0] ?? "";
  try {
    const { message, error = "" } = JSON.parse(entry) as { message: string; error?: string };
    return [message, error.split("\n", 1)[0]].filter(Boolean).join(": ");
  } catch {
    return line;
  }
}
