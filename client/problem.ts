/** A problem document (RFC 9457) as the API sends it. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  request_id: string;
  retryable: boolean;
  errors?: { pointer: string; message: string }[];
  [member: string]: unknown;
}

/** The API refused. `problem.code` tells refusals apart. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** Nobody answered at the address, or what answered is not DevFlow. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** The problem that a refusal carries; made up from the status where something before DevFlow answered. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as Problem;
    if (typeof body.code === "string" && typeof body.detail === "string") return body;
  } catch {
    // Not JSON: no problem of ours.
  }
  return {
    type: "about:blank",
    title: response.statusText,
    status: response.status,
    detail: `The server answered ${response.status} ${response.statusText}`.trim(),
    code: "unknown",
    request_id: response.headers.get("x-request-id") ?? "",
    retryable: response.status >= 500,
  };
}
