import { signal } from "@preact/signals";
import { DevFlowClient } from "../../client/client.ts";
import { ApiError } from "../../client/problem.ts";
import type { Whoami } from "../../client/types.ts";

/**
 * What the tab remembers: a token that may search and ask, for an hour. The key that it was made from stays in memory,
 * for what changes anything, and is asked for again after a reload.
 */
const TOKEN = "devflow.token";
const TOKEN_SCOPES = ["search", "ask"];
const TOKEN_SECONDS = 3600;

export interface Session {
  /** For searching and asking. */
  client: DevFlowClient;
  who: Whoami;
}

export const session = signal<Session | null>(null);
/** With the key itself; null until somebody gave it to this page since it was loaded. */
export const keyClient = signal<DevFlowClient | null>(null);

/** With the deployment's root key: the checklist and backups. In memory alone. */
export const rootClient = signal<DevFlowClient | null>(null);

/** What is left of each policy, as the last answers said. */
export const limitsLeft = signal<Record<string, { left: number; resetsInSeconds: number }>>({});

const clientFor = (key: string) =>
  new DevFlowClient({ url: location.origin, key, retries: 2, onAnswer: noteLimit });

/** `RateLimit: "search";r=49;t=3600` (IETF draft). */
function noteLimit(headers: Headers): void {
  const match = /^"(\w+)";r=(\d+);t=(\d+)/.exec(headers.get("ratelimit") ?? "");
  if (match === null) return;
  const [, name = "", left, resets] = match;
  limitsLeft.value = {
    ...limitsLeft.value,
    [name]: { left: Number(left), resetsInSeconds: Number(resets) },
  };
}

/** Takes up the token of this tab, if there is one that still works. */
export async function resume(): Promise<void> {
  const token = sessionStorage.getItem(TOKEN);
  if (token === null) return;
  const client = clientFor(token);
  try {
    session.value = { client, who: await client.whoami() };
  } catch (error) {
    if (error instanceof ApiError) sessionStorage.removeItem(TOKEN);
    else throw error;
  }
}

/** Errors: `ApiError` for a key that is not good for searching. */
export async function logIn(key: string): Promise<void> {
  const withKey = clientFor(key.trim());
  const who = await withKey.whoami();
  if (who.kind === "root") {
    rootClient.value = withKey;
    return;
  }
  const scopes = who.scopes.filter((scope) => TOKEN_SCOPES.includes(scope));
  if (who.kind !== "api_key" || scopes.length === 0) {
    throw new Error("Give a workspace's API key that may search.");
  }
  const { access_token: token } = await withKey.token({ scope: scopes.join(" "), expires_in: TOKEN_SECONDS });
  sessionStorage.setItem(TOKEN, token);
  keyClient.value = withKey;
  session.value = { client: clientFor(token), who };
}

/** The key again, after a reload. Errors: one of another workspace is refused. */
export async function giveKey(key: string): Promise<void> {
  const client = clientFor(key.trim());
  const who = await client.whoami();
  if (who.workspace?.id !== session.value?.who.workspace?.id) {
    throw new Error("This key is of another workspace.");
  }
  keyClient.value = client;
}

/** Errors: a key that is not the root key is refused. */
export async function giveRootKey(key: string): Promise<void> {
  const client = clientFor(key.trim());
  if ((await client.whoami()).kind !== "root") throw new Error("This is not the deployment’s root key.");
  rootClient.value = client;
}

export function forgetRoot(): void {
  rootClient.value = null;
}

export function logOut(): void {
  sessionStorage.removeItem(TOKEN);
  keyClient.value = null;
  rootClient.value = null;
  session.value = null;
}
