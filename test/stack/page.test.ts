import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DevFlowClient } from "../../client/client.ts";
import { type Stack, startStack } from "../../scripts/stack/start-stack.ts";
import { type StandInChat, startStandInChat } from "../support/stand-in-chat.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const installed = existsSync(CHROMIUM);
if (!installed) console.warn(`SKIPPED: there is no ${CHROMIUM}; the page is not looked at in a browser`);

const FILES: Record<string, string> = {
  "src/auth/password.ts":
    "/** Derives the stored form of a password. */\nexport async function hashPassword(password: string): Promise<string> {\n  const salt = crypto.getRandomValues(new Uint8Array(16));\n  return derive(password, salt);\n}\n",
  "src/users.ts":
    "export function getUserByName(name: string) {\n  return users.find((user) => user.name === name);\n}\n",
};

let folder: string;
let stack: Stack;
let chat: StandInChat;
let browser: Browser;
let page: Page;
/** What the browser complained of: scripts, refused resources, the Content-Security-Policy. */
const complaints: string[] = [];

beforeAll(async () => {
  if (!installed) return;
  folder = mkdtempSync(join(tmpdir(), "devflow-page-"));
  chat = await startStandInChat();
  stack = await startStack({
    stateFolder: join(folder, "state"),
    port: 0,
    settings: { OPENAI_CHAT_MODEL: "stand-in", OPENAI_CHAT_BASE_URL: chat.url, OPENAI_CHAT_API_KEY: "local" },
  });
  const client = new DevFlowClient({ url: stack.url, key: stack.apiKey });
  const { job } = await client.uploadFiles(
    Object.entries(FILES).map(([path, content]) => ({ path, content })),
  );
  if (job !== null) for await (const _ of client.followJob(job.id));
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
});

afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  await chat?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** A picture to look at, where PICTURES names a folder. */
async function picture(name: string): Promise<void> {
  const to = process.env["PICTURES"];
  if (to === undefined) return;
  mkdirSync(to, { recursive: true });
  await page.screenshot({ path: join(to, `${name}.png`) });
}

/** Rules of WCAG that the page breaks, by axe. */
async function violations(): Promise<string[]> {
  // Evaluated by the debugger: a script element would be refused by the policy, as it should.
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations: found } = await axe.run();
    return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 120)}`);
  });
}

describe.skipIf(!installed)("the web page", () => {
  it("lets a person in by an API key, and keeps nothing but a token that may search and ask", async () => {
    await page.goto(stack.url);
    await page.getByLabel("API key").fill(`dvf_${"A".repeat(49)}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect.poll(() => page.getByRole("alert").textContent()).toContain("not valid");
    await picture("login");
    expect(await violations()).toEqual([]);
    await page.getByLabel("API key").fill(stack.apiKey);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("searchbox").waitFor();
    const kept = await page.evaluate(() => [
      JSON.stringify(sessionStorage),
      JSON.stringify(localStorage),
      document.cookie,
    ]);
    expect(kept.join("")).not.toContain(stack.apiKey);
    const token = await page.evaluate(() => sessionStorage.getItem("devflow.token"));
    const { scopes } = await new DevFlowClient({ url: stack.url, key: token }).whoami();
    expect(scopes).toEqual(["search", "ask"]);
  });

  it("searches while one types, and puts query and filters into the address", async () => {
    await page.getByRole("searchbox").fill("where are passwords hashed");
    await page.locator(".hit").first().waitFor();
    expect(await page.locator(".hit .place").first().textContent()).toBe("src/auth/password.ts:1");
    await page.getByLabel("Path").fill("src/auth");
    await expect.poll(() => page.url()).toContain("path=src%2Fauth");
    expect(page.url()).toContain("q=where+are+passwords+hashed");
    expect(page.url()).not.toContain("dvf_");
    await expect.poll(() => page.locator(".hit .text span").count()).toBeGreaterThan(5);
    await picture("search");
    expect(await violations()).toEqual([]);
  });

  it("opens a shared link with the same query, in the same tab's session", async () => {
    await page.reload();
    await page.locator(".hit").first().waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe("where are passwords hashed");
    expect(await page.getByLabel("Path").inputValue()).toBe("src/auth");
  });

  it("is walked by keyboard: / focuses, arrows walk, Enter opens, Esc comes back", async () => {
    await page.locator(".score").first().click();
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("q");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator("article.file h1").waitFor();
    await expect.poll(() => page.locator("article.file").textContent()).toContain("getRandomValues");
    await picture("file");
    expect(await violations()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("searchbox").waitFor();
  });

  it("streams an answer whose citations open their lines", async () => {
    await page.getByRole("link", { name: "Ask" }).click();
    await page.getByLabel("Question").fill("askok00000001 how are passwords hashed?");
    await page.keyboard.press("Enter");
    await page.locator("a.citation").first().waitFor();
    await picture("ask");
    expect(await violations()).toEqual([]);
    await page.locator("a.citation").first().click();
    await page.locator(".line.marked").waitFor();
    await page.keyboard.press("Escape");
  });

  it("takes dropped files and shows the job move to its end", async () => {
    await page.getByRole("link", { name: "Upload" }).click();
    await page.getByLabel(/Give your API key/).fill(stack.apiKey);
    await page.getByRole("button", { name: "Go on" }).click();
    const file = join(folder, "added.py");
    writeFileSync(file, "def bake_cake(flour):\n    return flour\n");
    await page.getByLabel("Choose files").setInputFiles(file);
    await expect.poll(() => page.locator(".jobs").textContent(), { timeout: 30_000 }).toContain("succeeded");
    await picture("upload");
    expect(await violations()).toEqual([]);
  });

  it.each(["Index", "Usage", "Security"])("shows %s without a complaint", async (name) => {
    await page.getByRole("link", { name }).click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await expect.poll(() => page.getByText("Loading …").count(), { timeout: 15_000 }).toBe(0);
    expect(await page.getByRole("alert").count()).toBe(0);
    await picture(name.toLowerCase());
    expect(await violations()).toEqual([]);
  });

  it("makes a key, shows it once, and revokes it", async () => {
    await page.getByRole("link", { name: "Keys" }).click();
    await page.getByLabel("Name of a new key").fill("from the page");
    await page.getByRole("button", { name: "Create" }).click();
    const made = (await page.locator(".shown-once code").textContent()) ?? "";
    expect(made).toMatch(/^dvf_/);
    expect(await violations()).toEqual([]);
    await page.getByRole("button", { name: "I have it" }).click();
    const row = page.getByRole("row", { name: /from the page/ });
    await row.getByRole("button", { name: "Revoke" }).click();
    await row.getByRole("button", { name: "Revoke from the page" }).click();
    await expect.poll(() => row.textContent()).toContain("revoked");
    await expect(new DevFlowClient({ url: stack.url, key: made }).whoami()).rejects.toThrow(/revoked/);
  });

  it("fits a phone's width, in dark too", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.getByRole("link", { name: "Search" }).click();
    await page.getByRole("searchbox").fill("user by name");
    await page.locator(".hit").first().waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await picture("phone");
    expect(await violations()).toEqual([]);
  });

  it("says so when it is offline", async () => {
    await page.context().setOffline(true);
    await page.getByRole("searchbox").fill("something else");
    await expect.poll(() => page.getByRole("alert").textContent(), { timeout: 20_000 }).toContain("offline");
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await expect.poll(() => page.getByRole("alert").count()).toBe(0);
  });

  it("signs out and forgets the token", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  });

  it("reads the API's reference and the guide at /docs, without a credential", async () => {
    await page.setViewportSize({ width: 1200, height: 850 });
    await page.goto(`${stack.url}/docs#post_search`);
    const openapi = (await (await fetch(`${stack.url}/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const calls = Object.values(openapi.paths).flatMap((methods) => Object.keys(methods)).length;
    await page.locator("#post_search[open]").waitFor();
    expect(await page.locator("details.call").count()).toBe(calls);
    expect(await page.locator("#post_search pre").textContent()).toContain("Bearer $DEVFLOW_KEY");
    await picture("docs");
    expect(await violations()).toEqual([]);
    await page.getByLabel("Find a call").fill("rotate");
    await expect.poll(() => page.locator("details.call").count()).toBeLessThan(5);
    expect(await page.locator("input").count()).toBe(1);
    await page.getByRole("navigation", { name: "Contents" }).getByRole("link", { name: "Security" }).click();
    await page.getByRole("heading", { level: 1, name: "Security" }).waitFor();
    await picture("guide");
    expect(await violations()).toEqual([]);
    const kept = await page.evaluate(() => [
      sessionStorage.length,
      localStorage.length,
      document.cookie.length,
    ]);
    expect(kept).toEqual([0, 0, 0]);
  });

  it("made the browser complain of nothing but what was meant to fail", () => {
    const meant = /status of 401|ERR_INTERNET_DISCONNECTED/;
    expect(complaints.filter((text) => !meant.test(text))).toEqual([]);
  });
});
