import type { Context } from "hono";
import type { Config } from "../config.ts";
import { DevFlowError } from "../core/errors.ts";
import type { Decision } from "../core/limiter.ts";
import type { Logger } from "../core/log.ts";
import type { Principal, WorkspacePrincipal } from "../core/principal.ts";
import type { SyncUpload } from "../files/sync-upload.ts";
import type { Services } from "../services.ts";
import type { Timing } from "./timing.ts";

/** What middleware leaves for those after it; all are set before a handler runs, `principal` but for public routes. */
export interface Variables {
  requestId: string;
  log: Logger;
  timing: Timing;
  config: Config;
  services: Services;
  /** See `urlOf`. */
  url: URL | undefined;
  /** Address of the client: `CF-Connecting-IP` alone is believed. */
  ip: string;
  /** Identity of the matched route, such as `GET /v1/files`; undefined where none matched. */
  route: string | undefined;
  principal: Principal | undefined;
  /** Whether the client's address may still fail to authenticate; undefined where no credential came. */
  failedCredentials: Decision | undefined;
  /** The sync that the request is an upload of. */
  syncUpload: SyncUpload | undefined;
  /** The limiter of the credential's bucket was heard: the principal is what is in force. */
  confirmed: boolean | undefined;
}

export interface AppEnv {
  Bindings: Env;
  Variables: Variables;
}

export type AppContext = Context<AppEnv>;

/** The request's address, parsed once. */
export function urlOf(c: AppContext): URL {
  const known = c.get("url");
  if (known !== undefined) return known;
  const url = new URL(c.req.url);
  c.set("url", url);
  return url;
}

/** The credential that the request came with. */
export function principalOf(c: AppContext): Principal {
  const principal = c.get("principal");
  if (principal === undefined) throw new DevFlowError("unauthenticated", "This route needs a credential.");
  return principal;
}

/** The workspace's credential that the request came with; the root key has no workspace. */
export function workspaceOf(c: AppContext): WorkspacePrincipal {
  const principal = principalOf(c);
  if (principal.kind === "root") {
    throw new DevFlowError(
      "insufficient_scope",
      "The root key administers workspaces; use a workspace's API key for its data.",
    );
  }
  return principal;
}
