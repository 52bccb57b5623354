import { exports } from "cloudflare:workers";
import { DEVELOPMENT_SECRETS } from "../../src/config.ts";

export const ROOT_KEY = DEVELOPMENT_SECRETS.ROOT_API_KEY;

/** Calls the Worker under test, as a client would. Objects are sent as JSON. */
export function call(
  method: string,
  path: string,
  options: { key?: string | null; body?: unknown; raw?: BodyInit; headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers = new Headers(options.headers);
  if (options.key) headers.set("authorization", `Bearer ${options.key}`);
  const json = options.body !== undefined;
  if (json && !headers.has("content-type")) headers.set("content-type", "application/json");
  const body = json ? JSON.stringify(options.body) : options.raw;
  const worker = (exports as unknown as { default: { fetch(request: Request): Promise<Response> } }).default;
  return worker.fetch(
    new Request(`http://localhost${path}`, { method, headers, ...(body === undefined ? {} : { body }) }),
  );
}

export interface TestWorkspace {
  id: string;
  key: string;
}

/** A fresh workspace with a key that has every scope. */
export async function newWorkspace(name = "test"): Promise<TestWorkspace> {
  const response = await call("POST", "/v1/workspaces", { key: ROOT_KEY, body: { name } });
  if (response.status !== 201) throw new Error(await response.text());
  const { id, key } = await response.json<{ id: string; key: { key: string } }>();
  return { id, key: key.key };
}
