import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { findSecrets, rulesOf, SECRET_RULES, secretMessage } from "../../../src/core/find-secrets.ts";

/** Made up, and put together here, so that no scanner of this repository finds them. */
const letters = (count: number) => "aB3dE5gH7jK9mN1pQ".repeat(Math.ceil(count / 17)).slice(0, count);
const GITHUB = `ghp_${letters(36)}`;
const SLACK = ["xoxb", "123456789012", "1234567890123", letters(24)].join("-");
const STRIPE = ["sk", "live", letters(24)].join("_");
const PEM = ["-----BEGIN RSA", "PRIVATE KEY-----\nMII", `${letters(300)}\n-----END RSA`, "PRIVATE KEY-----"];
const PRIVATE_KEY = `${PEM[0]} ${PEM[1]}${PEM[2]} ${PEM[3]}\n`;
const AWS_SECRET = `AWS_SECRET_ACCESS_KEY=${letters(40)}\n`;

describe("findSecrets", () => {
  it.each([
    ["a GitHub token", `const token = "${GITHUB}";\n`, "github"],
    ["a Slack token", `token: ${SLACK}\n`, "slack"],
    ["a Stripe key", `key = '${STRIPE}'\n`, "stripe"],
    ["a private key", PRIVATE_KEY, "privatekey"],
    ["an AWS secret", AWS_SECRET, "aws"],
    [
      "a database password",
      `url = "postgres://svc_app:${letters(16)}@db.internal/app"\n`,
      "database-connection-string",
    ],
    ["an npm token", `//registry.npmjs.org/:_authToken=npm_${letters(36)}\n`, "npm"],
  ])("finds %s, by line and rule, and says nothing of its value", async (_what, text, rule) => {
    const findings = await findSecrets(`line one\nline two\n${text}line last\n`, "src/settings.txt");
    expect(findings).toMatchObject([{ rule, line: 3 }]);
    const message = secretMessage(findings);
    expect(message).toContain(`line 3 (@secretlint/secretlint-rule-${rule}: `);
    for (const piece of text.split(/[\s"'=]+/).filter((word) => word.length > 12)) {
      expect(JSON.stringify([findings, message, rulesOf(findings)])).not.toContain(piece);
    }
  });

  it("is not switched off by a comment in the file", async () => {
    const text = `// secretlint-disable\nconst a = "${GITHUB}"; // secretlint-disable-line\n`;
    expect(await findSecrets(text, "a.ts")).toMatchObject([{ rule: "github", line: 2 }]);
  });

  it("leaves placeholders alone, as documentation has them", async () => {
    const text = [
      "OPENAI_API_KEY=sk-...",
      "aws_secret_access_key = <your key>",
      "postgres://user:password@localhost/db",
      "https://user:$" + "{PASSWORD}@example.com/",
      "//registry.npmjs.org/:_authToken=$" + "{NPM_TOKEN}",
      "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    ].join("\n");
    expect(await findSecrets(text, "docs/.npmrc")).toEqual([]);
  });

  it("goes by the file's name where a rule does: `.npmrc`, a service account's JSON", async () => {
    const line = `//r.example/:_authToken=${letters(24)}\n`;
    expect(await findSecrets(line, "app/.npmrc")).toMatchObject([{ rule: "npm", line: 1 }]);
    expect(await findSecrets(line, "app/notes.txt")).toEqual([]);
    const account = JSON.stringify({ private_key_id: "1", private_key: PRIVATE_KEY });
    expect(rulesOf(await findSecrets(account, "gcp.json"))).toContain("gcp");
  });

  it("opens no file, whatever the path says", async () => {
    expect(await findSecrets("text", "package.json.p12")).toEqual([]);
  });

  it("names five findings and counts the rest, each line once for a pattern", async () => {
    const text = [GITHUB, SLACK, STRIPE].map((one) => `${one} ${one}\n`.repeat(5)).join("");
    const findings = await findSecrets(text, "a.txt");
    expect(findings.map(({ line }) => line)).toEqual(
      findings.map(({ line }) => line).toSorted((a, b) => a - b),
    );
    expect(new Set(findings.map(({ rule, line }) => `${rule}${line}`)).size).toBe(findings.length);
    expect(findings.length).toBeGreaterThan(5);
    expect(secretMessage(findings).match(/line \d+ \(/g)).toHaveLength(5);
    expect(secretMessage(findings)).toContain(`and ${findings.length - 5} more`);
    expect(rulesOf(findings)).toBe("github slack stripe");
  });

  it.each([
    ["ghs_1_", "ghs_1_"],
    ["two segments of a token", `${"ghs_1_".repeat(160)}.${"ghs_1_".repeat(1700)}`],
    ["xoxb-1-", "xoxb-1-"],
    ["SendGrid's shape", `SG.a.${"w".repeat(257)}-`],
    ["headers of keys", "-----BEGIN PRIVATE KEY-----\n"],
    ["connection strings", `mongodb://${"a:".repeat(60)}`],
    ["open brackets", "["],
    ["spaces after a name", `AWS_SECRET_ACCESS_KEY${" ".repeat(1000)}`],
    ["addresses", "https://a:x@"],
    ["figd_", "figd_"],
    ["matches without end", `${GITHUB} `],
  ])("takes bounded time for a MiB of %s", async (_what, unit) => {
    const text = unit.repeat(Math.ceil(2 ** 20 / unit.length)).slice(0, 2 ** 20);
    const started = performance.now();
    await findSecrets(text, "hostile.json");
    // About a second at the worst; ten where the machine is busy. A pattern that backtracks would take hours.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("names the rules that are installed, so that a newer set looks at stored files again", () => {
    const require = createRequire(import.meta.url);
    const file = require.resolve("@secretlint/secretlint-rule-preset-recommend/package.json");
    const { version } = JSON.parse(readFileSync(file, "utf8"));
    expect(SECRET_RULES).toBe(`secretlint-${version}`);
  });
});
