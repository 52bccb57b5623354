import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeLock } from "../../scripts/stack/lock.ts";
import { freePort } from "../../scripts/stack/ports.ts";
import { findProcess } from "../../scripts/stack/processes.ts";
import { localSecrets, openState } from "../../scripts/stack/state.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "devflow-state-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the state folder", () => {
  it("is for its owner alone, and so is what is written", () => {
    chmodSync(folder, 0o755);
    const state = openState(folder);
    state.writeJson("local.json", { url: "http://127.0.0.1:8000" });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(state.path("local.json")).mode & 0o777).toBe(0o600);
    expect(state.readJson("local.json")).toEqual({ url: "http://127.0.0.1:8000" });
  });

  it("is never one that holds other things", () => {
    writeFileSync(join(folder, "thesis.txt"), "");
    chmodSync(folder, 0o755);
    expect(() => openState(folder)).toThrow(/holds other things/);
    expect(statSync(folder).mode & 0o777).toBe(0o755);
  });

  it("says what to do where it cannot be", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(() => openState(join(file, "state"))).toThrow(/Set DEVFLOW_STATE/);
  });

  it("opens again, whatever a crash cut off", () => {
    const state = openState(folder);
    writeFileSync(state.path("workspace.json"), '{"workspaceId": "ws_');
    expect(openState(folder).readJson("workspace.json")).toBeNull();
  });

  it("makes secrets once", () => {
    const state = openState(folder);
    const secrets = localSecrets(state);
    expect(secrets.ROOT_API_KEY).toMatch(/^[\w-]{43}$/);
    expect(secrets.JWT_SECRET).not.toBe(secrets.ROOT_API_KEY);
    expect(localSecrets(openState(folder))).toEqual(secrets);
  });
});

describe("the lock", () => {
  it("is held by one, who is named with its address", () => {
    const state = openState(folder);
    const lock = takeLock(state);
    state.writeJson("local.json", { url: "http://127.0.0.1:8123" });
    expect(() => takeLock(state)).toThrow(/already runs on .*, at http:\/\/127\.0\.0\.1:8123/);
    lock.release();
    takeLock(state).release();
  });

  it("is taken over from a process that has ended, even if another has its id now", () => {
    const state = openState(folder);
    writeFileSync(
      state.path("stack.lock"),
      JSON.stringify({ pid: process.pid, started: "long ago", groups: [] }),
    );
    const lock = takeLock(state);
    expect(JSON.parse(readFileSync(state.path("stack.lock"), "utf8"))).toMatchObject({ pid: process.pid });
    lock.release();
    expect(readdirSync(folder).filter((name) => name.startsWith("stack.lock"))).toEqual([]);
  });

  it("is taken over where a crash cut it off", () => {
    const state = openState(folder);
    writeFileSync(state.path("stack.lock"), '{"pid": 1');
    takeLock(state).release();
  });

  it("leaves alone a process group that is no longer ours", async () => {
    const state = openState(folder);
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true });
    await once(other, "spawn");
    const dead = { pid: process.pid, started: "long ago", groups: [other.pid] };
    writeFileSync(state.path("stack.lock"), JSON.stringify(dead));
    takeLock(state).release();
    expect(findProcess(other.pid ?? 0)).toBeDefined();
    other.kill("SIGKILL");
  });

  it("released twice, does not take another's away", () => {
    const state = openState(folder);
    const first = takeLock(state);
    first.release();
    const second = takeLock(state);
    first.release();
    expect(() => takeLock(state)).toThrow(/already runs/);
    second.release();
  });
});

describe("freePort", () => {
  it("gives any port for 0", async () => {
    expect(await freePort("127.0.0.1", 0)).toBeGreaterThan(1023);
  });

  it("says what to do where the host is not this machine's", async () => {
    await expect(freePort("192.0.2.1", 0)).rejects.toThrow(/API_HOST/);
  });
});
