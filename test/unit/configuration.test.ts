import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { configurationPage } from "../../scripts/docs/configuration-page.ts";
import { parseConfig, SETTING_NAMES } from "../../src/config.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (name: string) => readFileSync(join(root, name), "utf8");
const page = read("docs/configuration.md");

/** Rows of the table under the heading, as cells. */
function table(markdown: string, heading: string): string[][] {
  const section = markdown.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const bare = (cell: string | undefined) => cell?.replaceAll("`", "") ?? "";
const worker = table(page, "Settings of the Worker");
const scripts = table(page, "Settings of the scripts");
/** Name → default as written; "–" where nothing holds. */
const defaults = new Map<string, string>([
  ...worker.map(([name, , value]) => [bare(name), bare(value)] as const),
  ...scripts.map(([name, value]) => [bare(name), bare(value)] as const),
]);

function parsed(env: Record<string, string>) {
  const result = parseConfig(env);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return JSON.parse(JSON.stringify(result.config)) as Record<string, unknown>;
}

describe("docs/configuration.md", () => {
  it("is what npm run docs writes", () => {
    expect(page).toBe(configurationPage());
  });

  it("has a row for each setting, and for no other", () => {
    expect(worker.map(([name]) => bare(name)).sort()).toEqual([...SETTING_NAMES].sort());
    for (const row of worker) expect(row.every((cell) => cell !== "")).toBe(true);
  });

  it.each(SETTING_NAMES.filter((name) => name !== "ENVIRONMENT"))("names the default of %s", (name) => {
    const written = defaults.get(name) ?? "";
    const base = { ENVIRONMENT: "development" };
    const [value = ""] = written.split(" (");
    if (value === "–") {
      const held = parsed(base)[name];
      // Nothing, an empty list, or a development secret that stands for none.
      expect(held === undefined || held === "[secret]" || (held as unknown[]).length === 0).toBe(true);
    } else expect(parsed({ ...base, [name]: value })).toEqual(parsed(base));
  });

  it("names the log levels of development and of a deployment", () => {
    expect(defaults.get("LOG_LEVEL")).toBe("debug (deployed: warning)");
    const strong = { ROOT_API_KEY: "Zk3vQ8xN1pR6tY0wB5sD9gH2jL4mC7aE_uFiOoKyXhV" };
    const deployed = {
      ...strong,
      ENVIRONMENT: "production",
      JWT_SECRET: "q7W2eR9tY4uI1oP6aS3dF8gH5jK0lZxCvBnM_Q3ErTz",
      ...{ PUBLIC_HOSTS: "api.example.com", OPENAI_API_KEY: "sk-1", CHROMA_API_KEY: "ck-1" },
    };
    expect(parsed(deployed)["LOG_LEVEL"]).toBe("warning");
    expect(parsed({ ENVIRONMENT: "development" })["LOG_LEVEL"]).toBe("debug");
  });

  it.each(
    worker.flatMap(([name, form]) => {
      const range = /^([\d]+) … ([\d]+)$/.exec(form ?? "");
      return range ? [[bare(name), Number(range[1]), Number(range[2])] as const] : [];
    }),
  )("names the range of %s: %d … %d", (name, least, most) => {
    const takes = (value: number) => parseConfig({ ENVIRONMENT: "development", [name]: String(value) }).ok;
    expect([least - 1, least, most, most + 1].map(takes)).toEqual([false, true, true, false]);
  });

  it("agrees with .dev.vars.example", () => {
    const examples = [...read(".dev.vars.example").matchAll(/^# ([A-Z_]+)=(.+)$/gm)];
    expect(examples.length).toBeGreaterThan(10);
    for (const [, name = "", value] of examples) {
      const [written] = (defaults.get(name) ?? "").split(" (");
      if (written !== "–") expect([name, value]).toEqual([name, written]);
    }
  });

  it("agrees with the README", () => {
    const rows = table(read("README.md"), "Settings");
    expect(rows.length).toBeGreaterThan(4);
    for (const [names, values] of rows) {
      const written = bare(values).split(", ");
      bare(names)
        .split(", ")
        .forEach((name, i) => {
          expect([name, defaults.get(name)]).toEqual([name, written[i]]);
        });
    }
  });
});
