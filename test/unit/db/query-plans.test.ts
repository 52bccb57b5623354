import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { acceptFiles } from "../../../src/db/accept-files.ts";
import { openDatabase } from "../../../src/db/database.ts";
import { deleteFiles } from "../../../src/db/delete-files.ts";
import { dropContent, markPending, renewFiles, writeIndexStates } from "../../../src/db/file-index-state.ts";
import { selectFiles } from "../../../src/db/files.ts";
import { finishJobFiles } from "../../../src/db/job-files.ts";
import { claimUploads, finishSyncFiles, moveFiles, type SyncRow } from "../../../src/db/syncs.ts";
import { settleTombstones } from "../../../src/db/tombstones.ts";

const MIGRATIONS = join(import.meta.dirname, "../../../migrations");
const sqlite = new DatabaseSync(":memory:");
for (const name of readdirSync(MIGRATIONS)
  .filter((one) => one.endsWith(".sql"))
  .sort()) {
  sqlite.exec(readFileSync(join(MIGRATIONS, name), "utf8").replaceAll("--> statement-breakpoint", ""));
}

/** A D1 that takes down what it is asked, and answers nothing. */
const asked: { query: string; parameters: unknown[] }[] = [];
const db = openDatabase({
  prepare: (query: string) => ({
    bind(...parameters: unknown[]) {
      asked.push({ query, parameters });
      const nothing = async () => ({ results: [] });
      return { all: nothing, run: nothing, raw: async () => [] };
    },
  }),
} as unknown as D1Database);

async function plansOf(statements: readonly unknown[]): Promise<{ query: string; steps: string[] }[]> {
  asked.length = 0;
  for (const statement of statements) await statement;
  expect(asked).toHaveLength(statements.length);
  return asked.map(({ query, parameters }) => ({
    query,
    steps: sqlite
      .prepare(`EXPLAIN QUERY PLAN ${query}`)
      .all(...(parameters as SQLInputValue[]))
      .map((row) => String(row["detail"])),
  }));
}

const version = { path: "a.ts", generation: 1 };
const state = { ...version, status: "indexed" as const, skipReason: null, error: null, chunks: 1 };
const outcome = {
  ...version,
  status: "indexed" as const,
  reason: null,
  message: null,
  chunks: 1,
  embedded: 1,
  reused: 0,
  tokens: 1,
};
const file = {
  path: "a.ts",
  size: 1,
  sha256: "00",
  blob: "b",
  language: "typescript",
  status: "pending" as const,
  reason: null,
  message: null,
  error: null,
  secretScan: null,
};
const change = { id: "c", workspaceId: "w", now: 1 };
const sync = { id: "s", workspaceId: "w", jobId: "j", generation: 1 } as SyncRow;
const STATEMENTS: Record<string, readonly unknown[]> = {
  acceptFiles: acceptFiles(db, {
    ...change,
    generation: null,
    files: [file],
    job: { id: "j" },
    outcomes: [],
    precondition: null,
    event: null,
  }),
  deleteFiles: deleteFiles(db, {
    ...change,
    target: { paths: ["a.ts"] },
    upToGeneration: 1,
    limit: 1,
    jobId: "j",
  }),
  moveFiles: moveFiles(db, {
    id: "m",
    sync,
    now: 1,
    renames: [{ from: "a.ts", to: "b.ts", sha256: "00", language: "typescript" }],
  }),
  selectFiles: [selectFiles(db, "w", ["a.ts"])],
  writeIndexStates: [writeIndexStates(db, "w", [{ ...state, chunkedBy: null }], 1)],
  dropContent: dropContent(db, "w", [version], 1),
  markPending: [markPending(db, "w", [version])],
  renewFiles: [renewFiles(db, "w", [version], 2)],
  finishJobFiles: [finishJobFiles(db, "j", [outcome])],
  claimUploads: [claimUploads(db, "s", [{ path: "a.ts", sha256: "00", size: 1 }])],
  finishSyncFiles: [finishSyncFiles(db, "s", ["a.ts"])],
  settleTombstones: [settleTombstones(db, "w", [version], 1)],
};

/** Steps through a table that grows with the workspace, by its name or as the statements call it. */
const GROWING = /^(?:SCAN|SEARCH) (?:files|f|job_files|jf|sync_files|s|tombstones|t)\b/;
/** Of one row at a time. */
const BY_ROW = /\bpath=\?|\browid=\?/;

describe("a statement on some files of a workspace", () => {
  it.each(Object.keys(STATEMENTS))("finds them by their paths, however many there are: %s", async (name) => {
    for (const { query, steps } of await plansOf(STATEMENTS[name] ?? [])) {
      const through = steps.filter((step) => GROWING.test(step) && !BY_ROW.test(step));
      expect(through, query).toEqual([]);
    }
  });
});
