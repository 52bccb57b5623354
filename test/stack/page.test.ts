import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
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
    settings: {
      ...chat.settings,
      BACKUP_RECIPIENTS: await identityToRecipient(await generateX25519Identity()),
    },
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

/** Drops files and folders of the disk on the page, as a person does. */
async function drop(...files: string[]): Promise<void> {
  const box = await page.getByRole("region", { name: "Drop files here" }).boundingBox();
  if (box === null) throw new Error("there is nowhere to drop");
  const debuggerOf = await page.context().newCDPSession(page);
  const at = { x: box.x + box.width / 2, y: box.y + 10, data: { items: [], files, dragOperationsMask: 1 } };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await debuggerOf.send("Input.dispatchDragEvent", { type, ...at });
  }
  await debuggerOf.detach();
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
    // Code after a comment has colours of its own, once the grammar is loaded.
    const colours = () =>
      page
        .locator(".hit")
        .first()
        .locator(".text span")
        .evaluateAll(
          (spans) =>
            new Set(spans.map((span) => (span as HTMLElement).style.getPropertyValue("--light"))).size,
        );
    await expect.poll(colours, { timeout: 20_000 }).toBeGreaterThan(3);
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

  it("finds similar code, and leads to it", async () => {
    await page.getByRole("link", { name: "Search", exact: true }).click();
    await page.getByRole("searchbox").fill("where are passwords hashed");
    await page.locator(".hit").first().waitFor();
    await page.getByRole("button", { name: "Find similar" }).first().click();
    await page.getByRole("list", { name: "Similar code" }).first().waitFor();
    expect(await violations()).toEqual([]);
  });

  it("narrows by mode and language, and says what to do where nothing is found", async () => {
    await page.getByLabel("Path").fill("");
    await page.getByLabel("Mode").selectOption("regex");
    await page.getByRole("searchbox").fill("find\\(\\(user");
    await page.getByText("src/users.ts:1").waitFor();
    expect(page.url()).toContain("mode=regex");
    await page.getByLabel("Language").fill("python");
    await page.getByText(/Nothing was found/).waitFor();
    await picture("nothing-found");
    expect(await violations()).toEqual([]);
    await page.getByLabel("Language").fill("");
    await page.getByRole("searchbox").fill("(?=x)");
    await page.getByRole("alert").waitFor();
    await picture("refused");
    await page.getByLabel("Mode").selectOption("hybrid");
  });

  it("opens a file beside an outline whose symbols lead to their lines", async () => {
    await page.goto(`${stack.url}/?file=src/auth/password.ts`);
    await page.getByRole("navigation", { name: "Symbols of this file" }).getByText("hashPassword").click();
    await page.locator(".line.marked").waitFor();
    expect(page.url()).toContain("line=");
    await picture("outline");
    await page.goto(`${stack.url}/?file=src/gone.ts`);
    await page.getByRole("alert").waitFor();
    await picture("missing-file");
    expect(await violations()).toEqual([]);
    await page.keyboard.press("Escape");
  });

  it("takes chosen files and shows the job move to its end", async () => {
    await page.getByRole("link", { name: "Upload" }).click();
    await page.getByLabel(/Give your API key/).fill(stack.apiKey);
    await page.getByRole("button", { name: "Go on" }).click();
    const file = join(folder, "added.py");
    writeFileSync(file, "def bake_cake(flour):\n    return flour\n");
    const large = join(folder, "large.py");
    writeFileSync(large, "x = 1\n".repeat(200_000));
    await page.getByLabel("Choose files").setInputFiles([file, large]);
    await page.locator(".jobs", { hasText: "succeeded" }).waitFor();
    expect(await page.locator(".jobs").textContent()).toMatch(/1 of 1 files, 1 chunks, \d+ tokens/);
    // What is not indexed is listed, with its reason.
    expect(await page.getByRole("listitem").filter({ hasText: "large.py" }).textContent()).toContain(
      "too_large",
    );
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

  it("takes a dropped folder and an archive", async () => {
    await page.getByRole("link", { name: "Upload" }).click();
    const tree = join(folder, "tree");
    mkdirSync(join(tree, "node_modules/x"), { recursive: true });
    writeFileSync(join(tree, "node_modules/x/index.js"), "module.exports = 1;\n");
    writeFileSync(join(tree, "leaf.go"), "package leaf\n\nfunc Leaf() int { return 1 }\n");
    await drop(tree);
    await page.locator(".jobs li", { hasText: "succeeded" }).waitFor();
    const archive = join(folder, "packed.tar.gz");
    execFileSync("tar", ["-czf", archive, "-C", tree, "leaf.go"]);
    await page.getByLabel("Below the folder").fill("packed");
    await drop(archive);
    await page.locator(".jobs li:nth-child(2)", { hasText: "succeeded" }).waitFor();
    await page.getByLabel("Below the folder").fill("chosen");
    await page.getByLabel("Choose a folder").setInputFiles(tree);
    await page.locator(".jobs li:nth-child(3)", { hasText: "succeeded" }).waitFor();
    const { items } = await new DevFlowClient({ url: stack.url, key: stack.apiKey }).files({ limit: 100 });
    const paths = items.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(["tree/leaf.go", "packed/leaf.go", "chosen/tree/leaf.go"]));
    expect(paths.filter((path) => path.includes("node_modules"))).toEqual([]);
  });

  it("shows the deployment's checklist and takes a backup, with the root key in memory alone", async () => {
    await page.getByRole("link", { name: "Deployment" }).click();
    await page.getByLabel(/root key/).fill(stack.apiKey);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("alert").filter({ hasText: "not the deployment" }).waitFor();
    await page.getByLabel(/root key/).fill(stack.rootKey);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.locator(".checklist li").first().waitFor();
    await page.getByText("There is no backup yet").waitFor();
    expect(await violations()).toEqual([]);
    await page.getByRole("button", { name: "Run it again" }).click();
    await page.getByRole("button", { name: "Back up now" }).click();
    await page.getByRole("row", { name: /bak_.*succeeded/ }).waitFor({ timeout: 60_000 });
    await picture("deployment");
    expect(await violations()).toEqual([]);
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: /^Download bak_/ }).click();
    const file = join(folder, "backup.tar");
    await (await downloading).saveAs(file);
    const { items } = await new DevFlowClient({ url: stack.url, key: stack.rootKey }).backups();
    expect(statSync(file).size).toBe(items[0]?.bytes);
    const kept = await page.evaluate(() => JSON.stringify([sessionStorage, localStorage, location.href]));
    expect(kept).not.toContain(stack.rootKey);
    await page.reload();
    await page.getByLabel(/root key/).waitFor();
  });

  it("makes a key, shows it once, and revokes it", async () => {
    await page.getByRole("link", { name: "Keys" }).click();
    await page.getByLabel(/Give your API key/).fill(stack.apiKey);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByLabel("Name of a new key").fill("from the page");
    await page.getByRole("button", { name: "Create" }).click();
    const made = (await page.locator(".shown-once code").textContent()) ?? "";
    expect(made).toMatch(/^dvf_/);
    expect(await violations()).toEqual([]);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(made);
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

  it("lets the operator in by the root key alone, to the checklist and backups", async () => {
    await page.getByLabel("API key").fill(stack.rootKey);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator(".checklist li").first().waitFor();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    await picture("operator");
    expect(await violations()).toEqual([]);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
  });

  it("loads at first under 150 KiB, gzipped, and paints soon", async () => {
    const fresh = await browser.newPage();
    let bytes = 0;
    fresh.on("response", async (response) => {
      const body = await response.body().catch(() => Buffer.alloc(0));
      bytes += gzipSync(body).length;
    });
    await fresh.addInitScript(() => {
      const seen = { lcp: 0, cls: 0, tbt: 0 };
      Object.assign(globalThis, { seen });
      const watch = (type: string, note: (entry: PerformanceEntry & { value?: number }) => void) =>
        new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
      watch("largest-contentful-paint", ({ startTime }) => {
        seen.lcp = startTime;
      });
      watch("layout-shift", ({ value = 0 }) => {
        seen.cls += value;
      });
      watch("longtask", ({ duration }) => {
        seen.tbt += Math.max(0, duration - 50);
      });
    });
    await fresh.goto(stack.url, { waitUntil: "networkidle" });
    const seen = await fresh.evaluate(() => (globalThis as unknown as { seen: Record<string, number> }).seen);
    console.log(`first load: ${(bytes / 1024).toFixed(1)} KiB gzipped, ${JSON.stringify(seen)}`);
    await fresh.close();
    expect(bytes).toBeGreaterThan(5 * 1024);
    expect(bytes).toBeLessThan(150 * 1024);
    expect(seen["cls"]).toBeLessThan(0.1);
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
    const meant = /status of (401|404|400)|ERR_INTERNET_DISCONNECTED/;
    expect(complaints.filter((text) => !meant.test(text))).toEqual([]);
  });
});
