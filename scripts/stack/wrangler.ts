import { resolve } from "node:path";
import type { State } from "./state.ts";

export const PROJECT = resolve(import.meta.dirname, "../..");
export const CONFIG = resolve(PROJECT, "wrangler.toml");
export const WRANGLER = resolve(PROJECT, "node_modules/wrangler/bin/wrangler.js");

/** Keeps wrangler from calling out and from asking, and what it writes about itself within the state folder. */
export function wranglerEnvironment(state: State): Record<string, string> {
  return {
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_WRITE_LOGS: "false",
    WRANGLER_REGISTRY_PATH: state.path("cloudflare", "registry"),
    // Its explorer shows databases and objects to anyone who reaches the port.
    X_LOCAL_EXPLORER: "false",
    // Its tracing keeps every URL and statement in a database of its own, and takes most of a request's time.
    X_LOCAL_OBSERVABILITY: "false",
    CI: "true",
  };
}
