import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const named = (text: string) => new Set([...text.matchAll(/\bdevflow_[a-z_]+/g)].map(([name]) => name));

describe("docs/observability", () => {
  const known = named(read("src/audit/metrics.ts"));

  it("describes every metric", () => {
    const described = named(read("docs/observability/README.md"));
    expect(known.size).toBeGreaterThan(7);
    expect([...known].filter((name) => !described.has(name))).toEqual([]);
  });

  it.each(["alerts.yml", "dashboard.json"])("asks in %s for metrics that there are", (file) => {
    const asked = named(read(`docs/observability/${file}`));
    expect(asked.size).toBeGreaterThan(5);
    expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  });

  it("has a dashboard that is JSON, with an expression in each panel", () => {
    const { panels } = JSON.parse(read("docs/observability/dashboard.json"));
    for (const panel of panels) expect(panel.targets[0].expr).toContain("devflow_");
  });
});
