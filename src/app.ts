import { Hono } from "hono";
import type { ConfigResult } from "./config.ts";
import { DevFlowError } from "./core/errors.ts";
import { createLogger } from "./core/log.ts";
import type { AppEnv } from "./http/context.ts";
import { configured } from "./http/middleware/configured.ts";
import { cors } from "./http/middleware/cors.ts";
import { countRequests } from "./http/middleware/count-requests.ts";
import { requireHttps, requireKnownHost } from "./http/middleware/public-address.ts";
import { limitAddress } from "./http/middleware/rate-limit.ts";
import { requestContext } from "./http/middleware/request-context.ts";
import { securityEvents } from "./http/middleware/security-events.ts";
import { securityHeaders } from "./http/middleware/security-headers.ts";
import { methodNotAllowed } from "./http/not-allowed.ts";
import { policyFinder } from "./http/policy-of.ts";
import { problem } from "./http/problem.ts";
import type { Route } from "./http/route.ts";
import { answerRoutes } from "./http/routes/answers.ts";
import { authRoutes } from "./http/routes/auth.ts";
import { backupRoutes } from "./http/routes/backups.ts";
import { checklistRoutes } from "./http/routes/checklist.ts";
import { documentRoutes } from "./http/routes/document.ts";
import { exportRoutes } from "./http/routes/exports.ts";
import { feedbackRoutes } from "./http/routes/feedback.ts";
import { fileUploadRoutes } from "./http/routes/file-uploads.ts";
import { fileRoutes } from "./http/routes/files.ts";
import { healthRoutes } from "./http/routes/health.ts";
import { indexRoutes } from "./http/routes/index-files.ts";
import { jobRoutes } from "./http/routes/jobs.ts";
import { keyRoutes } from "./http/routes/keys.ts";
import { metricsRoutes } from "./http/routes/metrics.ts";
import { pageRoutes } from "./http/routes/pages.ts";
import { restoreRoutes } from "./http/routes/restores.ts";
import { searchRoutes } from "./http/routes/search.ts";
import { securityEventRoutes } from "./http/routes/security-events.ts";
import { statsRoutes } from "./http/routes/stats.ts";
import { syncRoutes } from "./http/routes/syncs.ts";
import { usageRoutes } from "./http/routes/usage.ts";
import { workspaceRoutes } from "./http/routes/workspaces.ts";
import { acceptOAuthTokens } from "./mcp/oauth/accept-token.ts";
import { oauthRoutes } from "./mcp/oauth/routes.ts";
import { mcpRoutes } from "./mcp/route.ts";
import { createIsolate, type Isolate } from "./services.ts";

/** Every route that the Worker serves; the OpenAPI document and the access tests are made from this list. */
export const ROUTES: readonly Route[] = [
  ...pageRoutes,
  ...healthRoutes,
  ...authRoutes,
  ...keyRoutes,
  ...workspaceRoutes,
  ...fileUploadRoutes,
  ...fileRoutes,
  ...syncRoutes,
  ...indexRoutes,
  ...jobRoutes,
  ...searchRoutes,
  ...answerRoutes,
  ...feedbackRoutes,
  ...statsRoutes,
  ...securityEventRoutes,
  ...usageRoutes,
  ...exportRoutes,
  ...metricsRoutes,
  ...backupRoutes,
  ...restoreRoutes,
  ...checklistRoutes(() => ROUTES),
  ...mcpRoutes(() => ROUTES),
  ...oauthRoutes(() => ROUTES),
];

/** The HTTP application: middleware in the order in which it runs, then the routes. */
export function createApp(
  configuration: ConfigResult,
  isolate: Isolate | null = configuration.ok ? createIsolate(configuration.config) : null,
): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const log = createLogger(configuration.ok ? configuration.config.LOG_LEVEL : "warning");

  const routes = [...ROUTES, ...documentRoutes(ROUTES)];

  // First, so that every answer, whatever refuses it, has an id, a log line and a duration.
  app.use(requestContext(log));
  // Before anything that can refuse: refusals and preflights carry these headers too.
  app.use(securityHeaders());
  app.use(cors(configuration.ok ? configuration.config.ALLOWED_ORIGINS : []));
  // A deployment with a missing or weak secret answers nothing else.
  app.use(configured(configuration, isolate));
  // What comes after it is counted, whatever its answer.
  app.use(countRequests());
  // Around all that refuses, so that no refusal goes untold; it writes after the answer.
  app.use(securityEvents());
  // Before host, route and credential are looked at: a flood costs one call of one object, and no database read.
  app.use(limitAddress(policyFinder(routes)));
  // Names that are not ours, and plain HTTP, get no further: nothing may be read from what a credential opens.
  app.use(requireKnownHost());
  app.use(requireHttps());
  // Last before the routes: what follows sees a token of our own.
  app.use("/mcp", acceptOAuthTokens());

  // Then the route (404, 405), and within it, in `defineRoute`: failed credentials of the address (429), the
  // credential (401), its scope (403), the policy's limit (429), Idempotency-Key (409), and the body (415 … 400).
  for (const route of routes) route.mount(app);
  methodNotAllowed(app, routes);

  app.notFound((c) => problem(c, new DevFlowError("not_found", "Nothing is served at this address.")));
  app.onError((error, c) => problem(c, error));
  return app;
}
