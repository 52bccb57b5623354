import { parseArgs } from "node:util";
import { unstable_DevEnv as DevEnv } from "wrangler";
import { WorkerBundle } from "./worker-bundle.ts";
import { CONFIG } from "./wrangler.ts";

/**
 * What `wrangler dev` does, through wrangler's own programming interface, which can also leave the sources
 * unwatched: a rebuild restarts the Worker, and the queues, which wrangler keeps in memory, lose what waits in
 * them. A process of its own, so that it can be ended whatever it does.
 */
const { values } = parseArgs({
  options: {
    "env-file": { type: "string", default: "" },
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

const bundle = values.watch ? null : new WorkerBundle();
const entrypoint = bundle?.find() ?? null;

/** Also hands on the bundle, once it is made. */
class Environment extends DevEnv {
  override dispatch(event: Parameters<DevEnv["dispatch"]>[0]): void {
    if (event.type === "bundleComplete" && entrypoint === null) bundle?.keep(event.bundle);
    super.dispatch(event);
  }
}

const inspectorPort = values["inspector-port"];
const environment = new Environment();
environment.on("buildFailed", () => fail("The Worker could not be built."));
environment.on("error", (error: { message?: string; reason?: string; cause?: { message?: string } }) =>
  fail(error.message ?? `${error.reason}: ${error.cause?.message}`),
);
const worker = await environment.startWorker({
  config: CONFIG,
  ...(bundle === null || entrypoint === null
    ? {}
    : { entrypoint, build: { bundle: false, findAdditionalModules: true, moduleRoot: bundle.folder } }),
  envFiles: [values["env-file"]],
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
