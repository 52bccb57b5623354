import { fold } from "../core/fold.ts";
import { humpsOf } from "../core/humps.ts";

/**
 * Tables of the Durable Object `WorkspaceIndex`. Each entry is one version; entries are only ever appended.
 * Times are milliseconds since the epoch.
 */
const VERSIONS: readonly (readonly (string | ((sql: SqlStorage) => void))[])[] = [
  [
    // One row a path, deletions included. `generation`: newest committed or removed, 0 before the first commit.
    // `seen`: newest that anybody planned. `revision`: counts changes, so that no chunk id is given out twice.
    `CREATE TABLE files (
      file INTEGER PRIMARY KEY,
      path TEXT NOT NULL UNIQUE,
      generation INTEGER NOT NULL,
      seen INTEGER NOT NULL,
      deleted INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      language TEXT NOT NULL,
      extension TEXT NOT NULL,
      chunked_by TEXT,
      chunks INTEGER NOT NULL,
      updated_at INTEGER NOT NULL
    )`,
    `CREATE TABLE chunks (
      chunk INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      file INTEGER NOT NULL,
      ordinal INTEGER NOT NULL,
      start_line INTEGER NOT NULL,
      end_line INTEGER NOT NULL,
      kind TEXT NOT NULL,
      symbol TEXT,
      symbol_key TEXT,
      parent TEXT,
      text TEXT NOT NULL,
      embed_hash TEXT NOT NULL
    )`,
    "CREATE INDEX chunks_file ON chunks (file, ordinal)",
    "CREATE INDEX chunks_embed_hash ON chunks (embed_hash)",
    "CREATE INDEX chunks_symbol ON chunks (symbol_key) WHERE symbol_key IS NOT NULL",
    // Contentless: the text stands in `chunks`; here only its terms do, under the same rowid.
    `CREATE VIRTUAL TABLE chunk_terms USING fts5 (
      symbol, path, body,
      content = '', contentless_delete = 1,
      tokenize = 'porter unicode61 remove_diacritics 2'
    )`,
    // Vectors that the store may hold although no chunk does: promised to a writer, or condemned.
    `CREATE TABLE vector_outbox (
      id TEXT PRIMARY KEY,
      op TEXT NOT NULL CHECK (op IN ('promised', 'condemned')),
      path TEXT NOT NULL,
      generation INTEGER NOT NULL,
      at INTEGER NOT NULL
    ) WITHOUT ROWID`,
    "CREATE INDEX vector_outbox_path ON vector_outbox (path, op)",
    "CREATE INDEX vector_outbox_at ON vector_outbox (at)",
    // Kept with every change: counting a million rows for each search would be too slow.
    "CREATE TABLE totals (files INTEGER NOT NULL, chunks INTEGER NOT NULL, updated_at INTEGER)",
    "INSERT INTO totals VALUES (0, 0, NULL)",
    "CREATE TABLE language_totals (language TEXT PRIMARY KEY, files INTEGER NOT NULL) WITHOUT ROWID",
    // Set by `clear`: until then, writers that were under way are refused.
    "CREATE TABLE closed (until INTEGER NOT NULL)",
  ],
  [
    "ALTER TABLE chunks ADD COLUMN signature TEXT",
    "ALTER TABLE chunks ADD COLUMN doc TEXT",
    // A chunk may hold several small definitions, and a definition several chunks: `chunk` is where it begins.
    `CREATE TABLE symbols (
      chunk INTEGER NOT NULL,
      ordinal INTEGER NOT NULL,
      name TEXT NOT NULL,
      name_key TEXT NOT NULL,
      kind TEXT NOT NULL,
      parent TEXT,
      start_line INTEGER NOT NULL,
      end_line INTEGER NOT NULL,
      PRIMARY KEY (chunk, ordinal)
    ) WITHOUT ROWID`,
    "CREATE INDEX symbols_name ON symbols (name_key)",
    "DROP INDEX chunks_symbol",
    "ALTER TABLE chunks DROP COLUMN symbol_key",
  ],
  [
    // For regular expressions: which chunks hold which three characters, folded. No positions, no text.
    `CREATE VIRTUAL TABLE chunk_trigrams USING fts5 (
      text, content = '', contentless_delete = 1, detail = 'none', tokenize = 'trigram case_sensitive 1'
    )`,
    // For `gUBN`: the first letters of a name's words, as `gubn` of `getUserByName`.
    "ALTER TABLE symbols ADD COLUMN humps TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX symbols_humps ON symbols (humps) WHERE humps <> ''",
    writeDerivedColumns,
  ],
  [
    "DROP TABLE chunk_terms",
    // Contentless: the text stands in `chunks`; here only its terms do, under the same rowid.
    `CREATE VIRTUAL TABLE chunk_terms USING fts5 (
      symbol, path, doc, body,
      content = '', contentless_delete = 1,
      tokenize = 'porter unicode61 remove_diacritics 2'
    )`,
    // In how many chunks a term stands.
    "CREATE VIRTUAL TABLE term_frequency USING fts5vocab (chunk_terms, row)",
    // Chunks whose terms are to be written anew, in the order of their numbers: those above `after` up to `last`.
    "CREATE TABLE terms_to_write (after INTEGER NOT NULL, last INTEGER NOT NULL)",
    "INSERT INTO terms_to_write SELECT 0, max(chunk) FROM chunks HAVING max(chunk) IS NOT NULL",
  ],
  [
    // Paths of translations are found by the name of their language too: all terms once more, in the place of the old.
    "DELETE FROM terms_to_write",
    "INSERT INTO terms_to_write SELECT 0, max(chunk) FROM chunks HAVING max(chunk) IS NOT NULL",
  ],
];

/** What the statements of a version add is filled for the rows that stand. */
function writeDerivedColumns(sql: SqlStorage): void {
  for (const { chunk, text } of sql.exec<{ chunk: number; text: string }>("SELECT chunk, text FROM chunks")) {
    sql.exec("INSERT INTO chunk_trigrams (rowid, text) VALUES (?, ?)", chunk, fold(text));
  }
  const names = sql.exec<{ chunk: number; ordinal: number; name: string }>(
    "SELECT chunk, ordinal, name FROM symbols",
  );
  for (const { chunk, ordinal, name } of names.toArray()) {
    sql.exec("UPDATE symbols SET humps = ? WHERE chunk = ? AND ordinal = ?", humpsOf(name), chunk, ordinal);
  }
}

/** Brings the tables to the newest version; each version is applied whole or not at all. */
export function migrate(storage: DurableObjectStorage): void {
  const { sql } = storage;
  sql.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
  const applied =
    sql.exec<{ version: number | null }>("SELECT max(version) AS version FROM schema_version").one()
      .version ?? 0;
  for (const [index, statements] of VERSIONS.entries()) {
    if (index < applied) continue;
    storage.transactionSync(() => {
      for (const statement of statements) {
        if (typeof statement === "string") sql.exec(statement);
        else statement(sql);
      }
      sql.exec("INSERT INTO schema_version VALUES (?)", index + 1);
    });
  }
}
