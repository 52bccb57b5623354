import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { selects } from "../../../src/core/path.ts";
import { metadataOf, pathFilter } from "../../../src/core/vector-metadata.ts";

const segments = fc.array(fc.constantFrom("a", "b", "src", "src-old"), { minLength: 1, maxLength: 40 });

describe("metadataOf", () => {
  it("stores every prefix of whole segments, the file being the last", () => {
    expect(metadataOf("src/http/app.ts", "typescript", "block")).toEqual({
      language: "typescript",
      kind: "block",
      extension: "ts",
      d1: "src",
      d2: "src/http",
      d3: "src/http/app.ts",
    });
  });

  it("stays within the 32 keys that Chroma takes", () => {
    const deep = Array.from({ length: 64 }, () => "x").join("/");
    expect(Object.keys(metadataOf(deep, "text", "block")).length).toBeLessThanOrEqual(32);
  });
});

describe("pathFilter", () => {
  it("selects by one equality what the selector selects, and never less where it is not exact", () => {
    fc.assert(
      fc.property(segments, segments, (file, selector) => {
        const path = file.join("/");
        const selected = selector.join("/");
        const { filter, exact } = pathFilter(selected);
        const stored = metadataOf(path, "text", "block")[filter.key];
        const hit = stored !== undefined && filter.anyOf.includes(stored);
        if (exact) expect(hit).toBe(selects(selected, path));
        else if (selects(selected, path)) expect(hit).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
