import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { strongSecret } from "../../scripts/secrets/strong.ts";
import { weakness } from "../../src/core/weak-secret.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "devflow-secrets-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(
  script: string,
  args: string[],
  stdin = "",
): Promise<{ code: number; out: string; err: string }> {
  const env = {
    // The Worker's own types ask for ENVIRONMENT in every process; the scripts do not read it.
    ENVIRONMENT: "development" as const,
    PATH: process.env["PATH"],
    DEVFLOW_STATE: folder,
    DEVFLOW_SECRET_DIGESTS: join(folder, "digests.json"),
  };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [`scripts/${script}.ts`, ...args], { env }, (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
    );
    child.stdin?.end(stdin);
  });
}

/** Name → value of each printed line. */
function secretsIn(out: string): Record<string, string> {
  const lines = [...out.matchAll(/^ printf %s '([^']+)' \| npx wrangler secret put (\w+) --env (\w+)$/gm)];
  return Object.fromEntries(lines.map(([, value = "", name = ""]) => [name, value]));
}

const own = (environment: string, name: string, value: string) =>
  run("secrets", ["--env", environment, "--own", name], `${value}\n`);

describe("npm run secrets", () => {
  it("prints a line for each secret, strong and different each time", async () => {
    const [one, two] = [await run("secrets", []), await run("secrets", ["--env=staging"])];
    const all = [secretsIn(one.out), secretsIn(two.out)];
    for (const made of all) {
      expect(Object.keys(made)).toEqual(["ROOT_API_KEY", "JWT_SECRET", "ALERT_WEBHOOK_SECRET"]);
      expect([weakness(made["ROOT_API_KEY"] ?? ""), weakness(made["JWT_SECRET"] ?? "")]).toEqual([
        null,
        null,
      ]);
      expect(made["ALERT_WEBHOOK_SECRET"]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    }
    const values = all.flatMap((made) => Object.values(made));
    expect(new Set(values).size).toBe(6);
    expect(one.out).toContain("--env production");
    expect(two.out).not.toContain("--env production");
    // What is kept tells nothing of them, and nobody else may read it.
    const kept = readFileSync(join(folder, "digests.json"), "utf8");
    for (const value of values) expect(kept).not.toContain(value);
    expect(statSync(join(folder, "digests.json")).mode & 0o777).toBe(0o600);
  });

  it("refuses a secret of another environment, and of the local stack", async () => {
    const { JWT_SECRET = "", ROOT_API_KEY = "" } = secretsIn((await run("secrets", [])).out);
    expect((await own("production", "JWT_SECRET", JWT_SECRET)).code).toBe(0);
    const cases: [string, string, string, RegExp][] = [
      ["staging", "JWT_SECRET", JWT_SECRET, /it is JWT_SECRET of production/],
      ["production", "JWT_SECRET", ROOT_API_KEY, /it is ROOT_API_KEY of production/],
    ];
    const local = strongSecret();
    writeFileSync(join(folder, "secrets.json"), JSON.stringify({ ROOT_API_KEY: local }));
    cases.push(["production", "ROOT_API_KEY", local, /it is ROOT_API_KEY of the local stack/]);
    for (const [environment, name, value, why] of cases) {
      const refused = await own(environment, name, value);
      expect(refused).toMatchObject({ code: 2, out: "", err: expect.stringMatching(why) });
      expect(refused.err).not.toContain(value);
    }
  });

  it("takes a provider's key for one environment alone", async () => {
    const key = "sk-proj-0123456789";
    const taken = await own("staging", "OPENAI_API_KEY", key);
    expect(secretsIn(taken.out)).toEqual({ OPENAI_API_KEY: key });
    expect((await own("production", "OPENAI_API_KEY", key)).err).toMatch(/it is OPENAI_API_KEY of staging/);
  });

  it.each([
    ["ROOT_API_KEY", "hunter2"],
    ["JWT_SECRET", "your-256-bit-secret"],
    ["OPENAI_API_KEY", ""],
    ["OPENAI_API_KEY", "a'; rm -rf '"],
    ["PATH", "x"],
  ])("refuses %s: %j", async (name, value) => {
    expect(await own("production", name, value)).toMatchObject({ code: 2, out: "" });
  });
});

describe("npm run secrets:rotate", () => {
  it("moves the current secret to the previous one, and makes a new one", async () => {
    const current = strongSecret();
    const { code, out } = await run("secrets-rotate", ["--env", "staging"], current);
    const lines = secretsIn(out);
    expect([code, lines["JWT_SECRET_PREVIOUS"]]).toEqual([0, current]);
    expect(weakness(lines["JWT_SECRET"] ?? "")).toBeNull();
    expect(lines["JWT_SECRET"]).not.toBe(current);
    // The new one may be rotated in its turn, there and nowhere else.
    expect((await run("secrets-rotate", ["--env", "staging"], lines["JWT_SECRET"])).code).toBe(0);
    expect((await run("secrets-rotate", ["--env", "production"], lines["JWT_SECRET"])).code).toBe(2);
  });

  it("ends all tokens where the current secret is lost or leaked", async () => {
    const { code, out } = await run("secrets-rotate", [], "");
    expect(code).toBe(0);
    expect(out).toContain("npx wrangler secret delete JWT_SECRET_PREVIOUS --env production");
    expect(Object.keys(secretsIn(out))).toEqual(["JWT_SECRET"]);
  });
});
