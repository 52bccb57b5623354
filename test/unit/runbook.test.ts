import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

/** Declared routes as `METHOD /path`, each `{parameter}` written `{}`. */
const routes = new Set(
  globSync("src/http/routes/*.ts", { cwd: root }).flatMap((file) =>
    [...read(file).matchAll(/method: "(\w+)",\s*path: "([^"]+)"/g)].map(
      ([, method, path]) => `${method?.toUpperCase()} ${path?.replaceAll(/\{\w+\}/g, "{}")}`,
    ),
  ),
);
const scripts = JSON.parse(read("package.json")).scripts;
const settings = read("src/config.ts");

describe.each(["docs/runbook.md", "docs/incident-response.md", "docs/compliance.md", "docs/deploy.md"])(
  "%s",
  (page) => {
    const text = read(page);

    it("names routes that there are", () => {
      const calls = [...text.matchAll(/(?:-X (\w+) [^\n]*?|(?:root|admin) )"\$DEVFLOW_URL([^"?]+)/g)].map(
        ([, method, path]) => `${method ?? "GET"} ${path}`,
      );
      const named = [...text.matchAll(/`(GET|POST|PUT|PATCH|DELETE) (\/[\w/{}]+)/g)].map(
        ([, method, path]) => `${method} ${path}`,
      );
      const unknown = [...calls, ...named]
        .map((call) => call.replaceAll(/\{\w+\}|\b[a-z]+_…/g, "{}"))
        .filter((call) => !routes.has(call));
      expect(routes.size).toBeGreaterThan(30);
      expect(unknown).toEqual([]);
    });

    it("names npm scripts and secrets that there are", () => {
      const run = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name as string);
      expect(run.filter((name) => scripts[name] === undefined)).toEqual([]);
      const put = [...text.matchAll(/secret put (\w+)/g)].map(([, name]) => name as string);
      expect(put.filter((name) => !settings.includes(`${name}:`))).toEqual([]);
    });
  },
);
