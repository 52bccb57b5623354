import { z } from "zod";
import { CliError } from "./failure.ts";

const LineSchema = z.union([
  z.object({ until: z.iso.datetime() }),
  z.object({
    workspace_id: z.string(),
    path: z.string().nullable(),
    generation: z.int().nullable(),
    deleted_at: z.int(),
  }),
]);

/** What was deleted after a backup began: a restore leaves it out. */
export class Deletions {
  readonly #workspaces = new Set<string>();
  /** Workspace and path → generation of the deletion. */
  readonly #files = new Map<string, number>();
  /** Until when deletions are known; null where nothing says so. */
  until: string | null = null;

  /** @param text what `devflow backup deletions` printed. @param since when the backup began (milliseconds). */
  static parse(text: string, since: number): Deletions {
    const deletions = new Deletions();
    for (const line of text.split("\n")) {
      if (line.trim() === "") continue;
      const one = parsed(line);
      if ("until" in one) deletions.until = one.until;
      else if (one.deleted_at >= since) deletions.#add(one.workspace_id, one.path, one.generation ?? 0);
    }
    return deletions;
  }

  #add(workspaceId: string, path: string | null, generation: number): void {
    if (path === null) {
      this.#workspaces.add(workspaceId);
      return;
    }
    const key = keyOf(workspaceId, path);
    this.#files.set(key, Math.max(generation, this.#files.get(key) ?? 0));
  }

  hasWorkspace(workspaceId: string): boolean {
    return this.#workspaces.has(workspaceId);
  }

  /** A file that was uploaded again after its deletion is of a later generation, and stays. */
  hasFile(workspaceId: string, path: string, generation: number): boolean {
    return this.hasWorkspace(workspaceId) || (this.#files.get(keyOf(workspaceId, path)) ?? 0) > generation;
  }

  get empty(): boolean {
    return this.#workspaces.size === 0 && this.#files.size === 0;
  }
}

function keyOf(workspaceId: string, path: string): string {
  return `${workspaceId} ${path}`;
}

function parsed(line: string): z.output<typeof LineSchema> {
  try {
    return LineSchema.parse(JSON.parse(line));
  } catch {
    throw new CliError(`A line of the deletions cannot be read: ${line.slice(0, 100)}`);
  }
}
