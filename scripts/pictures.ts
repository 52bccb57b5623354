import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { terminalSvg } from "./pictures/terminal-svg.ts";
import { PROJECT } from "./stack/wrangler.ts";

/**
 * `npm run pictures`: the README's pictures, of the stack that `npm start` runs on this machine with its own source
 * indexed. Needs Chromium (CHROMIUM names it).
 */
const STATE = process.env["DEVFLOW_STATE"] ?? join(PROJECT, ".devflow");
const QUESTION = "how are uploads checked for path traversal";
const ATTEMPTS = 5;
const FOLDER = join(PROJECT, "docs/images");

const { url, api_key: key } = JSON.parse(readFileSync(join(STATE, "local.json"), "utf8")) as {
  url: string;
  api_key: string;
};
mkdirSync(FOLDER, { recursive: true });
await pageOf(join(FOLDER, "page.png"));
const command = `devflow search ${QUESTION} --limit 3 --lines 5`;
writeFileSync(
  join(FOLDER, "terminal.svg"),
  terminalSvg(`$ ${command}\n${await run(command.split(" ").slice(1))}`),
);
console.log(`Written to ${FOLDER}`);

async function pageOf(file: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage({ viewport: { width: 1100, height: 700 }, colorScheme: "light" });
  await page.goto(url);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  for (let attempt = 1; ; attempt++) {
    await page.getByRole("searchbox").fill(QUESTION);
    // The highlighter gives pieces their colours by a custom property.
    await page.waitForFunction(
      () => document.querySelectorAll('.hit .text [style*="--light"]').length > 20,
      undefined,
      { timeout: 30_000 },
    );
    // Words alone answer while the embedding model is still loading.
    if ((await page.getByText("words alone").count()) === 0) break;
    if (attempt === ATTEMPTS) throw new Error("the vector index does not answer");
    await page.getByRole("searchbox").fill("");
  }
  await page.screenshot({ path: file });
  await browser.close();
}

function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(PROJECT, "cli/devflow.js"), ...args], {
    env: { ...process.env, DEVFLOW_URL: url, DEVFLOW_KEY: key, FORCE_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (part) => {
    text += part;
  });
  return new Promise((done, fail) =>
    child.on("close", (code) =>
      code === 0 ? done(text.trimEnd()) : fail(new Error(`devflow ended with ${code}`)),
    ),
  );
}
