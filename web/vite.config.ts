import { defineConfig } from "vite";

/** Builds the page into `web/dist`, from where the Worker serves it. Nothing is loaded from elsewhere. */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: "static",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // Inlined files would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    // Grammars of languages, each loaded when a file of it is shown. In kB.
    chunkSizeWarningLimit: 1000,
    modulePreload: { polyfill: false },
  },
});
