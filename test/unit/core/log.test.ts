import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLogger, type LogLevel, logLine } from "../../../src/core/log.ts";
import { Secret } from "../../../src/core/secret.ts";

function lines(threshold: LogLevel) {
  const written: [LogLevel, Record<string, unknown>][] = [];
  const log = createLogger(threshold, (level, line) => written.push([level, JSON.parse(line)]), { id: "r" });
  return { log, written };
}

describe("createLogger", () => {
  it("drops what is below its level, and adds its fields", () => {
    const { log, written } = lines("warning");
    log.debug("a");
    log.info("b");
    log.warning("c", { n: 1 });
    log.error("d", new Error("why", { cause: new Error("deeper") }));
    expect(written.map(([level]) => level)).toEqual(["warning", "error"]);
    expect(written[0]?.[1]).toMatchObject({ level: "warning", message: "c", id: "r", n: 1 });
    expect(written[1]?.[1]["error"]).toMatch(/Error: why[\s\S]*caused by: Error: deeper/);
  });
});

describe("logLine", () => {
  it("is one line of visible text, and says what it was given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = logLine({ text });
        const visible = !/[\p{Cc}\p{Cs}\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u.test(
          line,
        );
        return visible && JSON.parse(line).text === text;
      }),
    );
    expect(logLine({ text: "a\r\nforged\u202e" })).toBe('{"text":"a\\r\\nforged\\u202e"}');
  });

  it("holds no credential, wherever one stands", () => {
    const key = `dvf_${"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"}`;
    const entry = { error: `refused: ${key}`, header: "Bearer abc.def", next: "kept", deep: { key } };
    expect(JSON.parse(logLine(entry))).toEqual({
      error: "refused: [redacted]",
      header: "[redacted]",
      next: "kept",
      deep: { key: "[redacted]" },
    });
  });
});

describe("Secret", () => {
  it("shows itself nowhere but where it is asked to", async () => {
    const { inspect } = await import("node:util");
    const secret = new Secret("hunter2");
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect(secret),
      logLine({ secret }),
    ];
    for (const text of [...shown, inspect({ deep: [secret] }, { showHidden: true, depth: 9 })]) {
      expect(text).toContain("[secret]");
      expect(text).not.toContain("hunter2");
    }
    expect(Object.keys(secret)).toEqual([]);
    expect(secret.reveal()).toBe("hunter2");
  });
});
