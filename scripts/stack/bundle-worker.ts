import { execFileSync } from "node:child_process";
import { globSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, parse, relative } from "node:path";
import { parseArgs } from "node:util";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { BINDINGS, type Bindings } from "./worker-bundle.ts";
import { WRANGLER } from "./wrangler.ts";

/**
 * `bundle-worker.ts --config WRANGLER_TOML --out FOLDER`: the Worker as `wrangler deploy` would upload it, and beside
 * it what it is bound to. The page is built too, where its sources changed. A process of its own: wrangler is large.
 */
const { values } = parseArgs({ options: { config: { type: "string" }, out: { type: "string" } } });
const { config, out } = values;
if (config === undefined || out === undefined) throw new Error("--config and --out are needed");

execFileSync(
  process.execPath,
  [WRANGLER, "deploy", "--dry-run", "--config", config, "--env", "", "--outdir", out],
  {
    stdio: "inherit",
  },
);
for (const name of globSync(["README.md", "*.map"], { cwd: out })) rmSync(join(out, name));

const { name = "worker", main = "", vars } = unstable_readConfig({ config });
const {
  modulesRules: _,
  rootPath: __,
  assets,
  ...options
} = unstable_getMiniflareWorkerOptions(config).workerOptions;
const bindings: Bindings = {
  entry: `${parse(main).name}.js`,
  // Without what `.dev.vars` holds, which may be a secret, and may change.
  options: { ...options, name, bindings: vars },
  // The project may be moved as a whole.
  assets: isAssets(assets) ? { ...assets, directory: relative(dirname(config), assets.directory) } : null,
};
writeFileSync(join(out, BINDINGS), JSON.stringify(bindings));

function isAssets(assets: unknown): assets is NonNullable<Bindings["assets"]> {
  return typeof (assets as Bindings["assets"])?.directory === "string";
}
