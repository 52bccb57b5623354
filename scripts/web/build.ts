import { buildPage } from "./page.ts";

/** `npm run build`: builds the web page. With `--if-stale`, only where its sources changed since the last time. */
await buildPage({ ifStale: process.argv.includes("--if-stale") });
