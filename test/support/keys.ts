import { call } from "./api.ts";

export interface KeyBody {
  id: string;
  key: string | null;
  prefix: string;
  name: string;
  scopes: string[];
  limits: Record<string, { requests: number; window_seconds: number }>;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

/** A key that the given one makes. */
export async function newKey(
  maker: string,
  body: Record<string, unknown>,
): Promise<KeyBody & { key: string }> {
  const response = await call("POST", "/v1/keys", { key: maker, body: { name: "test", ...body } });
  if (response.status !== 201) throw new Error(await response.text());
  return response.json();
}

/** Status and code of a refusal. */
export async function problemOf(response: Response): Promise<[number, string]> {
  return [response.status, (await response.json<{ code: string }>()).code];
}
