import { env } from "cloudflare:workers";
import { createApp } from "./app.ts";
import { type Config, parseConfig } from "./config.ts";
import { createLogger } from "./core/log.ts";
import { consume } from "./queue.ts";
import { runScheduled } from "./scheduled.ts";
import { createIsolate, createServices, type Services } from "./services.ts";

export { WorkspaceIndex } from "./indexing/workspace-index.ts";
export { Budget } from "./limits/budget.ts";
export { RateLimiter } from "./limits/rate-limiter.ts";

const configuration = parseConfig(env as unknown as Record<string, unknown>);
const isolate = configuration.ok ? createIsolate(configuration.config) : null;
const app = createApp(configuration, isolate);

/** Services of a queue batch or cron run. A deployment with a setting at fault works on nothing: messages wait. */
function servicesOf(env: Env, context: ExecutionContext): Services {
  if (!configuration.ok || isolate === null) {
    const faults = configuration.ok ? [] : configuration.problems.map(({ setting }) => setting);
    throw new Error(`the deployment is not configured: ${faults.join(", ")}`);
  }
  const config: Config = configuration.config;
  return createServices(
    env,
    config,
    createLogger(config.LOG_LEVEL),
    (work) => context.waitUntil(work),
    isolate,
  );
}

export default {
  fetch: app.fetch,
  queue: (batch, env, context) => consume(servicesOf(env, context), batch),
  scheduled: (event, env, context) => runScheduled(servicesOf(env, context), event.cron),
} satisfies ExportedHandler<Env>;
