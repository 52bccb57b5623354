import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Launch, startChild, startFailure } from "./child.ts";
import { PROJECT, WRANGLER, wranglerEnvironment } from "./wrangler.ts";

const FOLDER = join(PROJECT, "migrations");

/** Applies the migrations to the local D1, unless just these were applied before. */
export async function migrate(launch: Launch): Promise<void> {
  const { state } = launch;
  const wanted = digestOfMigrations();
  const applied = state.readJson<{ applied: string }>("migrations.json")?.applied;
  if (applied === wanted && existsSync(state.path("cloudflare", "v3", "d1"))) return;
  const child = startChild({
    name: "migrations",
    command: process.execPath,
    args: [
      ...[WRANGLER, "d1", "migrations", "apply", "DB", "--local"],
      ...["--cwd", PROJECT, "--persist-to", state.path("cloudflare")],
    ],
    env: wranglerEnvironment(state),
    launch,
  });
  if ((await child.ended) !== 0) throw startFailure(child, "The database migrations failed.");
  state.writeJson("migrations.json", { applied: wanted });
}

function digestOfMigrations(): string {
  const digest = createHash("sha256");
  for (const name of globSync("*.sql", { cwd: FOLDER }).sort()) {
    digest.update(name).update(readFileSync(join(FOLDER, name)));
  }
  return digest.digest("hex");
}
