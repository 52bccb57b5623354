import { resolve } from "node:path";
import { defineConfig } from "vite";
import { guidePlugin } from "../scripts/web/guide.ts";

/** Builds the pages into `web/dist`, from where the Worker serves them. Nothing is loaded from elsewhere. */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: "static",
  plugins: [guidePlugin(resolve(import.meta.dirname, "../docs"))],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    rolldownOptions: {
      input: {
        index: resolve(import.meta.dirname, "index.html"),
        docs: resolve(import.meta.dirname, "docs.html"),
      },
    },
    // Inlined files would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    // Grammars of languages, each loaded when a file of it is shown. In kB.
    chunkSizeWarningLimit: 1000,
    modulePreload: { polyfill: false },
  },
});
