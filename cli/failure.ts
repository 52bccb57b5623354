import { ApiError, ConnectionError } from "../client/problem.ts";

/** Something that the user can mend: what happened, and what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly advice: string | null;

  constructor(message: string, advice: string | null = null) {
    super(message);
    this.advice = advice;
  }
}

/** What to do about a refusal, by its code. */
const ADVICE: Record<string, string> = {
  unauthenticated: "Run `devflow login`.",
  invalid_api_key:
    "Run `devflow login` with a key that is valid; DEVFLOW_KEY, where it is set, comes before it.",
  invalid_token: "Run `devflow login` with an API key.",
  token_expired: "Make a new token, or log in with an API key.",
  insufficient_scope:
    "An admin's key gives out keys with that scope (`devflow keys create`). What concerns the whole deployment takes the root key; that of `npm start` is root_key in .devflow/local.json.",
  budget_exhausted: "The workspace's tokens of this month are spent: wait, or have its budget raised.",
  quota_exceeded: "Delete what is not needed, or have the workspace's quota raised.",
  embedding_mismatch: "The server's embedding model was changed: run `devflow reindex --force`.",
  ai_not_configured:
    "The server has no chat model: set OPENAI_CHAT_MODEL there. `devflow search` works without.",
  unsupported_pattern: "Leave out look-around and back-references, or search for plain text with --literal.",
  upstream_unavailable: "Try again shortly; `devflow grep` and `devflow symbol` need no other service.",
};

export interface Told {
  message: string;
  advice: string | null;
  /** For --verbose: the request id and the whole problem, or the stack; null where all is told. */
  detail: string | null;
}

/** What happened, why, and what to do about it. */
export function tell(error: unknown): Told {
  if (error instanceof ApiError) {
    const { detail, code, errors = [], retry_after_seconds: wait } = error.problem;
    const fields = errors.slice(1).map(({ pointer, message }) => `\n  ${pointer}: ${message}`);
    const advice = typeof wait === "number" ? `Try again in ${wait} seconds.` : (ADVICE[code] ?? null);
    return { message: detail + fields.join(""), advice, detail: JSON.stringify(error.problem, null, 2) };
  }
  if (error instanceof ConnectionError) {
    return {
      message: error.message,
      advice: "Is it running (`npm start` in DevFlow's folder), and is the URL right (`devflow login`)?",
      detail: String(error.cause ?? error.stack),
    };
  }
  if (error instanceof CliError) return { message: error.message, advice: error.advice, detail: null };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message, advice: null, detail: stack ?? null };
}
