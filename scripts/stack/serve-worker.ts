import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { readBundle } from "./worker-bundle.ts";

/**
 * Serves a bundled Worker from workerd, with D1, R2, KV, queues and Durable Objects kept in a folder. `wrangler dev`
 * has a proxy before it, so that it can rebuild: a process more, and half of what a small request takes. A process of
 * its own, so that it can be ended whatever it does.
 */
const { values } = parseArgs({
  options: {
    bundle: { type: "string", default: "" },
    config: { type: "string", default: "" },
    /** A JSON file of variables and secrets. */
    settings: { type: "string", default: "" },
    "persist-to": { type: "string", default: "" },
    ip: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8000" },
    "inspector-port": { type: "string", default: "" },
  },
});

const worker = readBundle(values.bundle, values.config);
const settings = values.settings === "" ? {} : JSON.parse(readFileSync(values.settings, "utf8"));
const inspected = values["inspector-port"] !== "";
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    host: values.ip,
    port: Number(values.port),
    cf: false,
    log: new Log(LogLevel.WARN),
    logRequests: false,
    // `/cdn-cgi/local/scheduled`, by which the stack runs the cron.
    unsafeTriggerHandlers: true,
    resourcePersistencePath: join(values["persist-to"], "v3"),
    ...(inspected ? { inspectorHost: "127.0.0.1", inspectorPort: Number(values["inspector-port"]) } : {}),
    workers: [
      {
        ...worker,
        bindings: { ...(worker["bindings"] as object), ...settings },
        unsafeInspectorProxy: inspected,
      },
    ],
  }),
);
process.on("SIGTERM", async () => {
  await miniflare.dispose();
  process.exit();
});
await miniflare.ready;
