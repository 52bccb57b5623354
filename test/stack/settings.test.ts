import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { givenSettings, readSettings } from "../../scripts/stack/settings.ts";
import { findError } from "../../scripts/stack/worker-log.ts";

const folder = mkdtempSync(join(tmpdir(), "devflow-settings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("givenSettings", () => {
  it("takes what the Worker knows, and no other part of the environment", () => {
    const given = givenSettings({ JWT_SECRET: "x", PATH: "/bin", LOG_LEVEL: "" });
    expect(given["JWT_SECRET"]).toBe("x");
    expect(given).not.toHaveProperty("PATH");
    expect(given["LOG_LEVEL"]).not.toBe("");
  });

  it("stays a development environment whatever a shell says", () => {
    expect(givenSettings({ ENVIRONMENT: "production" })).not.toHaveProperty("ENVIRONMENT");
  });
});

describe("readSettings", () => {
  it("takes the right to read the file from everybody else", () => {
    const file = join(folder, ".dev.vars");
    writeFileSync(file, "OPENAI_API_KEY=one\n", { mode: 0o644 });
    expect(readSettings(file)).toEqual({ OPENAI_API_KEY: "one" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("finds nothing in a file that is not there", () => {
    expect(readSettings(join(folder, "absent"))).toEqual({});
  });
});

describe("findError", () => {
  it("picks the message and the first line of the cause from the Worker's log", () => {
    const entry = { level: "error", message: "unhandled error", error: "TypeError: no\n    at x" };
    expect(findError(`✘ [ERROR] ${JSON.stringify(entry)}`)).toBe("unhandled error: TypeError: no");
  });

  it("passes on what wrangler itself says", () => {
    expect(findError("✘ [ERROR] Build failed with 1 error:")).toContain("Build failed");
  });

  it("passes over everything else", () => {
    expect(findError('{"level":"info","message":"request"}')).toBeNull();
    expect(findError("[wrangler:info] GET /health 200 OK (4ms)")).toBeNull();
  });
});
