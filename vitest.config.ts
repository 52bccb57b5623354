import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import type { Plugin } from "vite";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** Of this run alone. */
const BACKUP_IDENTITY = await generateX25519Identity();

/**
 * Libraries of many modules, to be made one module each before the tests: an isolate loads a file's modules one by
 * one.
 */
const LIBRARIES = [
  "@hono/zod-openapi",
  "@modelcontextprotocol/sdk/server/index.js",
  "@modelcontextprotocol/sdk/server/mcp.js",
  "@modelcontextprotocol/sdk/types.js",
  "@modelcontextprotocol/sdk/validation/cfworker",
  "@remix-run/multipart-parser",
  "age-encryption",
  "drizzle-orm",
  "drizzle-orm/batch",
  "drizzle-orm/d1",
  "drizzle-orm/sqlite-core",
  "drizzle-orm/sqlite-core/query-builders/raw",
  "hono",
  "hono/factory",
  "hono/html",
  "hono/route",
  "hono/utils/html",
  "jose",
  "modern-tar",
  "openai",
  "openai/core/streaming",
  "standardwebhooks",
  "zod",
];

/**
 * The pool hands a new isolate every module at once, in one message, of which workerd takes 32 MiB. Without the source
 * maps of libraries, which make two thirds of it, that leaves room.
 */
const withoutLibrariesMaps: Plugin = {
  name: "without-libraries-maps",
  enforce: "post",
  transform: (code, id) => (id.includes("/node_modules/") ? { code, map: { mappings: "" } } : null),
};

/** A second, the default, is too little on a busy machine. */
const PATIENT = { poll: { timeout: 20_000 } };

/** Test files inside workerd, with real D1, R2, queues and Durable Objects; each file alone if `isolate`. */
function insideWorkerd(name: string, files: string, isolate: boolean): TestProjectInlineConfiguration {
  return {
    plugins: [
      withoutLibrariesMaps,
      cloudflareTest(async ({ inject }) => ({
        wrangler: { configPath: "./wrangler.toml" },
        miniflare: {
          bindings: {
            TEST_MIGRATIONS: await readD1Migrations("./migrations"),
            LOG_LEVEL: "error",
            CHROMA_URL: inject<string>("chromaUrl"),
            OPENAI_BASE_URL: inject<string>("embeddingsUrl"),
            OPENAI_API_KEY: "local",
            OPENAI_CHAT_BASE_URL: inject<string>("chatUrl"),
            OPENAI_CHAT_MODEL: "stand-in",
            EMBEDDING_MODEL: "all-MiniLM-L6-v2",
            EMBEDDING_DIMENSIONS: "384",
            EMBEDDING_MAX_TOKENS: "256",
            EMBEDDING_MODEL_PREVIOUS: "all-MiniLM-L6-v2-reversed",
            EMBEDDING_DIMENSIONS_PREVIOUS: "384",
            RATE_LIMIT_MULTIPLIER: "100000",
            // On a busy machine too a search waits for both legs; what comes of a silent one has tests of its own.
            SEARCH_VECTOR_TIMEOUT_MS: "20000",
            BACKUP_RECIPIENTS: await identityToRecipient(BACKUP_IDENTITY),
            BACKUP_IDENTITY,
            RESTORE_ENABLED: "true",
          },
        },
      })),
    ],
    test: {
      name,
      isolate,
      include: [files],
      setupFiles: ["./test/support/migrate.ts"],
      testTimeout: 30_000,
      expect: PATIENT,
      deps: {
        optimizer: {
          ssr: {
            enabled: true,
            include: LIBRARIES,
            rolldownOptions: { external: [/^node:/, /^cloudflare:/] },
          },
        },
      },
    },
  };
}

/**
 * unit: pure modules, in Node. integration: the Worker inside workerd with real D1, R2, queues and Durable Objects,
 * and a real Chroma server and embedding model beside it; the files of one half of the alphabet share one deployment,
 * and each test makes a workspace of its own. deployment: as that, but for what concerns a deployment as a whole, each
 * file with a new one.
 * stack: whole processes, as users start them.
 */
export default defineConfig({
  test: {
    // The Worker logs as it does in production; only the logs of failing tests are shown.
    silent: "passed-only",
    maxWorkers: "100%",
    globalSetup: ["./test/support/upstreams.ts"],
    projects: [
      {
        // No module holds state but the parsers, which are one core for a process, so files may share them: each by
        // itself took a sixth longer.
        test: {
          name: "unit",
          isolate: false,
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 30_000,
          expect: PATIENT,
        },
      },
      insideWorkerd("integration-1", "test/integration/[a-o]*.test.ts", false),
      insideWorkerd("integration-2", "test/integration/[p-z]*.test.ts", false),
      insideWorkerd("deployment", "test/deployment/*.test.ts", true),
      {
        test: {
          name: "stack",
          include: ["test/stack/**/*.test.ts"],
          testTimeout: 180_000,
          expect: PATIENT,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
