import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { unstable_DevEnv as DevEnv } from "wrangler";
import { CONFIG } from "./wrangler.ts";

/**
 * What `wrangler dev` does, through wrangler's own programming interface, which can also leave the sources
 * unwatched: a rebuild restarts the Worker, and the queues, which wrangler keeps in memory, lose what waits in
 * them. For HTTPS, which has a certificate of wrangler's own making, and for rebuilds.
 */
const { values } = parseArgs({
  options: {
    /** A JSON file of variables and secrets. */
    settings: { type: "string", default: "" },
    "persist-to": { type: "string", default: "" },
    ip: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8000" },
    https: { type: "boolean", default: false },
    watch: { type: "boolean", default: false },
    "inspector-port": { type: "string", default: "" },
  },
});

let ready = false;

/** Ends the process, unless sources are watched and the next change may mend it. */
function fail(sentence: string): void {
  console.error(`✘ [ERROR] ${sentence}`);
  if (!ready || !values.watch) process.exit(1);
}

const settings = JSON.parse(readFileSync(values.settings, "utf8")) as Record<string, string>;
const inspectorPort = values["inspector-port"];
const environment = new DevEnv();
environment.on("buildFailed", () => fail("The Worker could not be built."));
environment.on("error", (error: { message?: string; reason?: string; cause?: { message?: string } }) =>
  fail(error.message ?? `${error.reason}: ${error.cause?.message}`),
);
const worker = await environment.startWorker({
  config: CONFIG,
  envFiles: [],
  bindings: Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, { type: "plain_text", value }]),
  ),
  dev: {
    persist: values["persist-to"],
    server: { hostname: values.ip, port: Number(values.port), secure: values.https },
    inspector: inspectorPort === "" ? false : { hostname: "127.0.0.1", port: Number(inspectorPort) },
    watch: values.watch,
    logLevel: "log",
  },
});
await worker.ready;
ready = true;
