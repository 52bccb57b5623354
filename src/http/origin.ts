import { type AppContext, urlOf } from "./context.ts";

/** Those of the configured origins that are spelt as a browser sends them: scheme, host and port, nothing else. */
export function exactOrigins(origins: readonly string[]): ReadonlySet<string> {
  return new Set(origins.filter((origin) => URL.parse(origin)?.origin === origin));
}

/** Whether the origin is allowed: one of the list, or the deployment's own; never `null`, which opaque origins send. */
export function allowsOrigin(c: AppContext, allowed: ReadonlySet<string>, origin: string): boolean {
  return allowed.has(origin) || origin === urlOf(c).origin;
}
