/**
 * The REST API as the tools call it: within the Worker, by the credential of the MCP request. So a tool is authorised,
 * charged, validated and logged exactly as its route is.
 */
export interface Rest {
  /** Errors: `RestProblem` for every answer that is not 2xx. */
  json<T>(method: "GET" | "POST", path: string, input?: RestInput): Promise<T>;
  text(method: "GET", path: string, input?: RestInput): Promise<string>;
}

export interface RestInput {
  query?: Record<string, string | number | undefined>;
  body?: Record<string, unknown>;
}

/** A problem document (RFC 9457), as a route answered it. */
export interface Problem {
  status: number;
  code: string;
  detail: string;
  request_id: string;
  retryable: boolean;
  [member: string]: unknown;
}

export class RestProblem extends Error {
  override readonly name = "RestProblem";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** @param send answers a request by one of the Worker's own routes. */
export function restOver(
  origin: string,
  authorization: string,
  send: (request: Request) => Promise<Response>,
): Rest {
  const call = async (method: string, path: string, { query = {}, body }: RestInput = {}) => {
    const url = new URL(path, origin);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }) };
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await send(new Request(url, { method, headers, ...init }));
    if (!response.ok) throw new RestProblem((await response.json()) as Problem);
    return response;
  };
  return {
    json: async <T>(method: string, path: string, input?: RestInput) =>
      (await (await call(method, path, input)).json()) as T,
    text: async (method, path, input) => (await call(method, path, input)).text(),
  };
}
