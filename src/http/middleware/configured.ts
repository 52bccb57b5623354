import { createMiddleware } from "hono/factory";
import type { ConfigResult } from "../../config.ts";
import { DevFlowError } from "../../core/errors.ts";
import { createServices, type Isolate } from "../../services.ts";
import type { AppEnv } from "../context.ts";

/** Gives the request its settings and services; answers 503 with the names of settings at fault. */
export function configured(configuration: ConfigResult, isolate: Isolate | null) {
  return createMiddleware<AppEnv>(async function configuredMiddleware(c, next) {
    if (!configuration.ok || isolate === null) {
      const problems = configuration.ok ? [] : configuration.problems;
      const detail = problems.map(({ setting, reason }) => `${setting} ${reason}`).join("; ");
      throw new DevFlowError("misconfigured", `The deployment is not configured: ${detail}.`, {
        members: { settings: problems },
      });
    }
    c.set("config", configuration.config);
    c.set(
      "services",
      createServices(
        c.env,
        configuration.config,
        c.get("log"),
        (work) => c.executionCtx.waitUntil(work),
        isolate,
      ),
    );
    return next();
  });
}
