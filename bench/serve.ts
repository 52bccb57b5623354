import { unstable_DevEnv as DevEnv } from "wrangler";

/** Serves another Worker just as the local stack serves DevFlow: `serve.ts CONFIG PORT STATE`. */
const [config, port, persist] = process.argv.slice(2);
if (config === undefined || port === undefined || persist === undefined) throw new Error("CONFIG PORT STATE");
const environment = new DevEnv();
const worker = await environment.startWorker({
  config,
  dev: {
    persist,
    server: { hostname: "127.0.0.1", port: Number(port) },
    inspector: false,
    watch: false,
    logLevel: "log",
  },
});
await worker.ready;
