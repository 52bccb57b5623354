import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eventLine } from "../../../src/audit/event.ts";
import { Secret } from "../../../src/core/secret.ts";
import { escapeForLog, newSecurityEvent, redact } from "../../../src/core/security-event.ts";

describe("newSecurityEvent", () => {
  it("escapes what could forge a line or mislead its reader", () => {
    const event = newSecurityEvent(
      {
        type: "export",
        route: "a\r\nlevel: b",
        ip: "\u001b[31m",
        detail: { name: "x\u202ey\u2028z\u200b\ud800" },
      },
      0,
    );
    expect(event.route).toBe("a\\u000d\\u000alevel: b");
    expect(event.ip).toBe("\\u001b[31m");
    expect(event.detail).toEqual({ name: "x\\u202ey\\u2028z\\u200b\\ud800" });
  });

  it("is always one line of printable text, whatever it is told", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (route, name) => {
        const line = eventLine(newSecurityEvent({ type: "export", route, detail: { name } }, 0));
        return (
          !/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(line) &&
          JSON.parse(line).type === "export"
        );
      }),
    );
  });

  it("holds no credential", () => {
    const key = "dvf_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop".slice(0, 53);
    const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln";
    for (const secret of [key, token, "sk-proj-abcdefghijklmnop", "Bearer abc.def"]) {
      expect(redact(`before ${secret} after`)).toBe("before [redacted] after");
    }
    expect(redact("dvf_0123abcd")).toBe("dvf_0123abcd");
    // @ts-expect-error a Secret is no value of an event
    const event = newSecurityEvent({ type: "export", detail: { key: new Secret(key) } }, 0);
    expect(eventLine(event)).not.toContain(key);
  });

  it("bounds every text", () => {
    expect(newSecurityEvent({ type: "export", route: "x".repeat(10_000) }, 0).route).toHaveLength(300);
    expect(escapeForLog("plain Ünïcode 東京")).toBe("plain Ünïcode 東京");
  });
});
