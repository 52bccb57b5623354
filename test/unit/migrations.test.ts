import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";

const FOLDER = resolve(import.meta.dirname, "../../migrations");
const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".sql"))
  .sort();
const textOf = (name: string) => readFileSync(join(FOLDER, name), "utf8");

function databaseAt(migrations: readonly string[]): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  for (const name of migrations) db.exec(textOf(name));
  return db;
}

interface Column {
  name: string;
  type: string;
  notnull: number;
  dflt_value: string | null;
}

function tablesOf(db: DatabaseSync): Map<string, Column[]> {
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  return new Map(
    tables.map(({ name }) => [
      String(name),
      db
        .prepare(`SELECT name, type, "notnull", dflt_value FROM pragma_table_info(?)`)
        .all(String(name)) as unknown as Column[],
    ]),
  );
}

/** A value that the column takes. */
const sample = ({ type }: Column) => (type === "INTEGER" || type === "integer" ? 1 : "x");

/** Writes a row as code of that version does: it names every column that it knows. */
function insert(db: DatabaseSync, table: string, columns: readonly Column[]): void {
  const list = columns.map(({ name }) => `"${name}"`).join(", ");
  const marks = columns.map(() => "?").join(", ");
  db.prepare(`INSERT INTO "${table}" (${list}) VALUES (${marks})`).run(...columns.map(sample));
}

describe("migrations", () => {
  it.each(names.slice(1).map((name, i) => [name, names.slice(0, i + 1)] as const))(
    "%s keeps the rows, and the version before goes on reading and writing",
    (name, earlier) => {
      const db = databaseAt(earlier);
      const before = tablesOf(db);
      expect(before.size).toBeGreaterThan(5);
      for (const [table, columns] of before) insert(db, table, columns);
      db.exec(textOf(name));
      const after = tablesOf(db);
      for (const [table, columns] of before) {
        const list = columns.map((column) => `"${column.name}"`).join(", ");
        const rows = db.prepare(`SELECT ${list} FROM "${table}"`).all();
        expect([table, rows.length]).toEqual([table, 1]);
        for (const column of columns) {
          expect(Object.fromEntries(Object.entries(rows[0] ?? {}))[column.name]).toBe(sample(column));
          expect(after.get(table)).toContainEqual(column);
        }
        // What the version that still serves writes knows nothing of the new columns.
        db.exec(`DELETE FROM "${table}"`);
        insert(db, table, columns);
      }
    },
  );
});
