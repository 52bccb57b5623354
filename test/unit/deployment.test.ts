import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";

const root = resolve(import.meta.dirname, "../..");

/** What the tests read of it: wrangler's own type is made of parts that are not published. */
interface WranglerConfig {
  name: string;
  workers_dev: boolean;
  preview_urls: boolean;
  vars: Record<string, unknown>;
  assets: { binding: string; run_worker_first: boolean };
  d1_databases: { binding: string; database_name: string }[];
  r2_buckets: { binding: string; bucket_name: string }[];
  queues: {
    producers: { binding: string; queue: string }[];
    consumers: { queue: string; dead_letter_queue?: string }[];
  };
  durable_objects: { bindings: { name: string }[] };
  triggers: { crons: string[] };
}

const configOf = (env?: string) =>
  unstable_readConfig({
    config: join(root, "wrangler.toml"),
    ...(env ? { env } : {}),
  }) as unknown as WranglerConfig;

describe.each(["production", "staging"])("wrangler.toml for %s", (env) => {
  const config = configOf(env);

  it("answers on the custom domain alone: no workers.dev address, no previews", () => {
    expect([config.workers_dev, config.preview_urls]).toEqual([false, false]);
  });

  it("sends every request through the Worker, static files too", () => {
    expect(config.assets).toMatchObject({ run_worker_first: true });
  });

  it("says which environment it is, and holds no secret", () => {
    expect(config.vars).toEqual({ ENVIRONMENT: env });
  });

  it("shares no store with another environment", () => {
    const names = (one: typeof config) => [
      one.name,
      ...one.d1_databases.map((store) => store.database_name),
      ...one.r2_buckets.map((store) => store.bucket_name),
      ...one.queues.producers.map((queue) => queue.queue),
      ...one.queues.consumers.flatMap((queue) => [queue.queue, queue.dead_letter_queue]),
    ];
    const own = names(config).filter((name) => name !== undefined);
    expect(own.length).toBeGreaterThanOrEqual(6);
    for (const name of own) expect(name).toContain(env);
  });

  it("has every binding that development has", () => {
    const bindings = (one: typeof config) => [
      ...one.d1_databases.map((store) => store.binding),
      ...one.r2_buckets.map((store) => store.binding),
      ...one.queues.producers.map((queue) => queue.binding),
      ...one.durable_objects.bindings.map((object) => object.name),
      one.assets.binding,
      ...one.triggers.crons,
    ];
    expect(bindings(config)).toEqual(bindings(configOf()));
  });
});

describe("git", () => {
  const ignored = (path: string) => {
    try {
      execFileSync("git", ["check-ignore", "--quiet", path], { cwd: root });
      return true;
    } catch {
      return false;
    }
  };

  it.each([
    ".env",
    ".env.production",
    ".dev.vars",
    ".dev.vars.staging",
    ".devflow/secrets.json",
    ".secret-digests.json",
    "x.log",
  ])("ignores %s", (path) => expect(ignored(path)).toBe(true));

  it.each([".env.example", ".dev.vars.example"])("keeps %s", (path) => expect(ignored(path)).toBe(false));

  it("looks for secrets in tree and history on every run of CI", () => {
    expect(readFileSync(join(root, ".ci/run"), "utf8")).toContain("npm run --silent check:secrets");
  });
});

describe("the Worker's source", () => {
  const sources = globSync("**/*.ts", { cwd: join(root, "src") }).map(
    (file) => [file, readFileSync(join(root, "src", file), "utf8")] as const,
  );

  it("reads and sets no cookie", () => {
    expect(sources.length).toBeGreaterThan(100);
    const naming = sources.filter(([, text]) => /cookie/i.test(text)).map(([file]) => file);
    expect(naming).toEqual([]);
  });

  it("believes no address but CF-Connecting-IP", () => {
    const forwarded = /x-forwarded|x-real-ip|true-client-ip|["'`]forwarded["'`]/i;
    expect(sources.filter(([, text]) => forwarded.test(text)).map(([file]) => file)).toEqual([]);
  });

  it("reveals secrets in a few known places", () => {
    const revealing = sources.filter(([, text]) => text.includes(".reveal()")).map(([file]) => file);
    expect(revealing.sort()).toEqual([
      "audit/alert.ts",
      "audit/measured-facts.ts",
      "auth/authenticate.ts",
      "auth/token-keys.ts",
      "clients/chroma-vector-store.ts",
      "clients/openai-chat.ts",
      "clients/openai-embedder.ts",
      "clients/unavailable.ts",
      "config.ts",
      "core/cursor.ts",
      "http/routes/checklist.ts",
      "services.ts",
    ]);
  });
});
