import { DevFlowError } from "../core/errors.ts";
import { describe } from "../core/log.ts";
import type { AppContext } from "./context.ts";

/** RFC 9457. The only place that renders a failure. Unknown errors are logged whole and answered as `internal`. */
export function problem(c: AppContext, thrown: unknown): Response {
  const error =
    thrown instanceof DevFlowError ? thrown : new DevFlowError("internal", "Something failed on our side.");
  if (error !== thrown) c.get("log").error("unhandled error", thrown);
  else if (error.status >= 500) c.get("log").error(error.message, error, { code: error.code });
  // In development alone: a cause may quote what was sent.
  else if (c.get("config")?.DEBUG)
    c.get("log").debug(error.message, { code: error.code, error: describe(error) });
  const body = problemBody(error, c.get("requestId"));
  return c.body(JSON.stringify(body), error.status as 500, {
    "content-type": "application/problem+json",
    ...error.headers,
  });
}

/** The members of a problem document. */
export function problemBody(error: DevFlowError, requestId: string): Record<string, unknown> {
  return {
    type: `urn:devflow:error:${error.code}`,
    title: error.title,
    status: error.status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    retryable: error.retryable,
    ...(error.errors ? { errors: error.errors } : {}),
    ...error.members,
  };
}
