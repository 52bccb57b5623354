/**
 * Every failure that a client may see. The code decides the HTTP status and whether a retry can help;
 * `detail` reaches the client, so it never holds a secret or an upstream's words.
 */
const CODES = {
  invalid_request: { status: 400, title: "Invalid request", retryable: false },
  invalid_path: { status: 400, title: "Invalid file path", retryable: false },
  invalid_cursor: { status: 400, title: "Invalid cursor", retryable: false },
  unsupported_pattern: { status: 400, title: "Unsupported pattern", retryable: false },
  upstream_key_rejected: { status: 400, title: "Upstream key rejected", retryable: false },
  unauthenticated: { status: 401, title: "Credential required", retryable: false },
  invalid_api_key: { status: 401, title: "Invalid API key", retryable: false },
  invalid_token: { status: 401, title: "Invalid token", retryable: false },
  token_expired: { status: 401, title: "Token expired", retryable: false },
  budget_exhausted: { status: 402, title: "Budget exhausted", retryable: false },
  insufficient_scope: { status: 403, title: "Insufficient scope", retryable: false },
  quota_exceeded: { status: 403, title: "Quota exceeded", retryable: false },
  forbidden: { status: 403, title: "Forbidden", retryable: false },
  not_found: { status: 404, title: "Not found", retryable: false },
  method_not_allowed: { status: 405, title: "Method not allowed", retryable: false },
  conflict: { status: 409, title: "Conflict", retryable: true },
  idempotency_conflict: { status: 409, title: "Idempotency key reused", retryable: false },
  embedding_mismatch: { status: 409, title: "Embedding model mismatch", retryable: false },
  length_required: { status: 411, title: "Length required", retryable: false },
  precondition_failed: { status: 412, title: "Precondition failed", retryable: false },
  payload_too_large: { status: 413, title: "Payload too large", retryable: false },
  range_not_satisfiable: { status: 416, title: "Range not satisfiable", retryable: false },
  unsupported_media_type: { status: 415, title: "Unsupported media type", retryable: false },
  misdirected_request: { status: 421, title: "Misdirected request", retryable: false },
  rate_limited: { status: 429, title: "Rate limit exceeded", retryable: true },
  internal: { status: 500, title: "Internal error", retryable: true },
  not_implemented: { status: 501, title: "Not implemented", retryable: false },
  upstream_unavailable: { status: 503, title: "Upstream unavailable", retryable: true },
  ai_not_configured: { status: 503, title: "No chat model configured", retryable: false },
  misconfigured: { status: 503, title: "Misconfigured deployment", retryable: false },
} as const;

export type ErrorCode = keyof typeof CODES;

/** One refused field: `pointer` is an RFC 6901 pointer into the body, or `/query/<name>`, `/header/<name>`. */
export interface FieldError {
  pointer: string;
  message: string;
}

export interface DevFlowErrorOptions {
  cause?: unknown;
  errors?: FieldError[];
  /** Response headers, such as `Retry-After` or `Allow`. */
  headers?: Record<string, string>;
  /** Further members of the problem document, such as `resets_at`. */
  members?: Record<string, unknown>;
}

/** An expected failure. Anything else that is thrown is answered as `internal`. */
export class DevFlowError extends Error {
  override readonly name = "DevFlowError";
  readonly code: ErrorCode;
  readonly errors: FieldError[] | undefined;
  readonly headers: Record<string, string>;
  readonly members: Record<string, unknown>;

  constructor(code: ErrorCode, detail: string, options: DevFlowErrorOptions = {}) {
    super(detail, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
  }

  get status(): number {
    return CODES[this.code].status;
  }

  get title(): string {
    return CODES[this.code].title;
  }

  /** Whether the same request may succeed later without being changed. */
  get retryable(): boolean {
    return CODES[this.code].retryable;
  }
}

/** All codes, in the order of their status; the OpenAPI document lists them. */
export const ERROR_CODES = Object.keys(CODES) as ErrorCode[];

/** The HTTP status of a code. */
export function statusOf(code: ErrorCode): number {
  return CODES[code].status;
}
