import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { scale, scalePage } from "../../scripts/scale.ts";

describe("docs/scale.md", () => {
  it("shows what the script computes: `npm run scale` writes it anew", () => {
    const page = readFileSync(join(resolve(import.meta.dirname, "../.."), "docs/scale.md"), "utf8");
    expect(page).toContain("| store | size |");
    expect(scalePage(page)).toBe(page);
  });

  it("grows with files where files cost, and with workspaces where requests do", () => {
    const [one, two] = [scale(1_000_000, 1000), scale(2_000_000, 1000)];
    expect(two.sizes["R2: blobs"]).toBeCloseTo(2 * one.sizes["R2: blobs"]);
    expect(two.searchesPerSecond).toBe(one.searchesPerSecond);
    expect(two.limits).toEqual(one.limits);
  });
});
