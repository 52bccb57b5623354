import { describe, expect, it } from "vitest";
import { pack } from "../../../src/answers/pack.ts";
import { renderSource } from "../../../src/answers/prompt.ts";
import { joined, type Region, within } from "../../../src/answers/source.ts";
import { utf8Length } from "../../../src/core/tokens.ts";

function region(path: string, startLine: number, endLine: number): Region {
  const lines = Array.from({ length: endLine - startLine + 1 }, (_, i) => `${path} line ${startLine + i}`);
  return { chunkId: `${path}:${startLine}`, path, startLine, endLine, lines };
}
const request = (maxTokens: number, limit = 10) => ({ limit, maxTokens, tokensOf: utf8Length });
const places = (packed: { sources: Region[] }) =>
  packed.sources.map(({ path, startLine, endLine }) => `${path}:${startLine}-${endLine}`);

describe("pack", () => {
  it("takes whole regions, best first, as long as they fit, and numbers them", () => {
    const all = [region("a", 1, 5), region("b", 1, 60), region("c", 1, 5)];
    const packed = pack(all, [], request(1_000));
    expect(places(packed)).toEqual(["a:1-5", "c:1-5"]);
    expect(packed.sources.map(({ n }) => n)).toEqual([1, 2]);
    expect(packed.crowded).toBe(true);
    const shown = packed.sources.map((one) => renderSource(one)).join("");
    expect(packed.tokens).toBeGreaterThanOrEqual(utf8Length(shown) - 2);
    expect(packed.tokens).toBeLessThanOrEqual(1_000);
    expect(pack(all, [], request(100_000)).crowded).toBe(false);
  });

  it("makes one of what touches or overlaps, without repeating a line", () => {
    const packed = pack(
      [region("a", 10, 20), region("b", 1, 3), region("a", 18, 25), region("a", 5, 9), region("b", 9, 12)],
      [],
      request(100_000),
    );
    expect(places(packed)).toEqual(["a:5-25", "b:1-3", "b:9-12"]);
    expect(packed.sources[0]?.lines).toEqual(region("a", 5, 25).lines);
    expect(packed.sources[0]?.chunkId).toBe("a:10");
  });

  it("joins regions that grew into each other", () => {
    const packed = pack([region("a", 1, 3), region("a", 7, 9), region("a", 4, 6)], [], request(100_000));
    expect(places(packed)).toEqual(["a:1-9"]);
  });

  it("lets neighbours extend what is there, and bring in nothing", () => {
    const packed = pack([region("a", 10, 12)], [region("a", 13, 14), region("z", 1, 2)], request(100_000));
    expect(places(packed)).toEqual(["a:10-14"]);
  });

  it("cuts the best where it leaves no room, and keeps the number of sources", () => {
    const packed = pack([region("a", 1, 1_000), region("b", 1, 3), region("c", 1, 3)], [], request(2_000, 2));
    expect(packed.sources).toHaveLength(2);
    expect(places(packed)[0]).toMatch(/^a:1-\d\d$/);
    expect(places(packed)[1]).toBe("b:1-3");
    expect(packed.crowded).toBe(true);
    expect(pack([region("a", 1, 9)], [], request(3)).sources).toEqual([]);
    expect(pack([], [], request(3)).sources).toEqual([]);
  });
});

describe("regions", () => {
  it("do not join across files, gaps, or pieces of one line", () => {
    expect(joined(region("a", 1, 2), region("b", 3, 4))).toBeNull();
    expect(joined(region("a", 1, 2), region("a", 4, 5))).toBeNull();
    const piece = { ...region("a", 3, 3), lines: ["x", "y"] };
    expect(joined(region("a", 1, 2), piece)).toBeNull();
  });

  it("can be cut to lines", () => {
    expect(within(region("a", 5, 9), 7, 100)).toEqual({ ...region("a", 7, 9), chunkId: "a:5" });
    expect(within(region("a", 5, 9), 10, 20)).toBeNull();
  });
});
