import { env } from "cloudflare:workers";
import { createApp } from "./app.ts";
import { parseConfig } from "./config.ts";

export { WorkspaceIndex } from "./indexing/workspace-index.ts";
export { Budget } from "./limits/budget.ts";
export { RateLimiter } from "./limits/rate-limiter.ts";

const configuration = parseConfig(env as unknown as Record<string, unknown>);
const app = createApp(configuration);

export default {
  fetch: app.fetch,
} satisfies ExportedHandler<Env>;
