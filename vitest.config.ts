import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Of this run alone. */
const BACKUP_IDENTITY = await generateX25519Identity();

/**
 * The pool hands a new isolate every module at once, in one message, of which workerd takes 32 MiB. Without the source
 * maps of libraries, which make two thirds of it, that leaves room.
 */
const withoutLibrariesMaps: Plugin = {
  name: "without-libraries-maps",
  enforce: "post",
  transform: (code, id) => (id.includes("/node_modules/") ? { code, map: { mappings: "" } } : null),
};

/**
 * unit: pure modules, in Node. integration: the Worker inside workerd with real D1, R2, queues and Durable
 * Objects, and a real Chroma server and embedding model beside it. stack: whole processes, as users start them.
 */
export default defineConfig({
  test: {
    // The Worker logs as it does in production; only the logs of failing tests are shown.
    silent: "passed-only",
    projects: [
      {
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000 },
      },
      {
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
                RATE_LIMIT_MULTIPLIER: "100000",
                BACKUP_RECIPIENTS: await identityToRecipient(BACKUP_IDENTITY),
                BACKUP_IDENTITY,
                RESTORE_ENABLED: "true",
              },
            },
          })),
        ],
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: ["./test/support/upstreams.ts"],
          setupFiles: ["./test/support/migrate.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "stack",
          // Each file starts whole stacks; two at once would be measured against each other.
          fileParallelism: false,
          include: ["test/stack/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
