import { registerHooks } from "node:module";

/**
 * To be imported before miniflare. Its message to workerd grows by 4 KiB at a time, and is copied whole each time: with
 * 20 MB of grammars in it, that takes a quarter of a minute at each start. It grows by 16 MiB from here on. Where
 * miniflare is written otherwise one day, nothing is changed.
 */
const SLOW = "var MIN_SINGLE_SEGMENT_GROWTH = 4096;";
const FAST = "var MIN_SINGLE_SEGMENT_GROWTH = 16777216;";

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/miniflare/dist/src/index.js") || loaded.source == null) return loaded;
    const source =
      typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
    return { ...loaded, source: source.replace(SLOW, FAST) };
  },
});
