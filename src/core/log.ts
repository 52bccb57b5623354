import { redact } from "./security-event.ts";

/** One line of JSON for each entry; `logger` and `level` come first, so that a reader can grep. */
export type LogLevel = "debug" | "info" | "warning" | "error";
export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  /** `cause` is logged with its stack and its own causes; it never reaches a client. */
  error(message: string, cause: unknown, fields?: LogFields): void;
  /** A logger that adds the fields to each of its entries. */
  with(fields: LogFields): Logger;
}

const ORDER: Record<LogLevel, number> = { debug: 10, info: 20, warning: 30, error: 40 };

/** Where lines go: `console` in the Worker, an array in tests. */
export type LogSink = (level: LogLevel, line: string) => void;

export const consoleSink: LogSink = (level, line) => {
  if (level === "error") console.error(line);
  else if (level === "warning") console.warn(line);
  else console.log(line);
};

/** @param threshold entries below it are dropped. */
export function createLogger(threshold: LogLevel, sink: LogSink = consoleSink, base: LogFields = {}): Logger {
  const write = (level: LogLevel, message: string, fields: LogFields) => {
    if (ORDER[level] < ORDER[threshold]) return;
    sink(level, logLine({ level, time: new Date().toISOString(), message, ...base, ...fields }));
  };
  return {
    debug: (message, fields = {}) => write("debug", message, fields),
    info: (message, fields = {}) => write("info", message, fields),
    warning: (message, fields = {}) => write("warning", message, fields),
    error: (message, cause, fields = {}) => write("error", message, { ...fields, error: describe(cause) }),
    with: (fields) => createLogger(threshold, sink, { ...base, ...fields }),
  };
}

/** What JSON leaves as it is, but a reader of the line would be misled by: see `escapeForLog`. */
const MISLEADING = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The entry as one line of JSON that shows all it holds, but for what looks like a credential. */
export function logLine(entry: Record<string, unknown>): string {
  const json = JSON.stringify(entry, (_name, value: unknown) =>
    typeof value === "string" ? redact(value) : value,
  );
  return json.replace(
    MISLEADING,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Name, message and stack of an error and of its causes, in one string. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? own : `${own}\ncaused by: ${describe(error.cause)}`;
}
