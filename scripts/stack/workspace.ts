import { StackFailure } from "./failure.ts";
import type { State } from "./state.ts";

export interface Workspace {
  workspaceId: string;
  /** A key with every scope. */
  apiKey: string;
}

/** The workspace of earlier starts where its key still holds, else a new one. */
export async function ensureWorkspace(state: State, url: string, rootKey: string): Promise<Workspace> {
  const known = state.readJson<Workspace>("workspace.json");
  if (known !== null) {
    const response = await ask(`${url}/v1/auth/whoami`, known.apiKey);
    await response.body?.cancel();
    if (response.status !== 401) return known;
  }
  const response = await ask(`${url}/v1/workspaces`, rootKey, { name: "local" });
  if (response.status !== 201) {
    throw new StackFailure(`The workspace could not be made: ${response.status} ${await response.text()}`);
  }
  const { id, key } = (await response.json()) as { id: string; key: { key: string } };
  const workspace = { workspaceId: id, apiKey: key.key };
  state.writeJson("workspace.json", workspace);
  return workspace;
}

async function ask(url: string, key: string, body?: object): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new StackFailure(`The Worker stopped answering at ${url}.`, { cause });
  }
}
