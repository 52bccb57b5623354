import { describe, expect, it } from "vitest";
import { isPublicHttps } from "../../../src/core/public-url.ts";

describe("isPublicHttps", () => {
  it.each(["https://hooks.example.com/a?b=c", "https://example.com:8443/", "https://例え.jp/"])(
    "takes %s",
    (url) => expect(isPublicHttps(url)).toBe(true),
  );

  it.each([
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/",
    "https://localhost./",
    "https://db/",
    "https://db.internal/",
    "https://DB.INTERNAL./",
    "https://printer.local/",
    `https://${["user", "pass"].join(":")}@example.com/`,
    "ftp://example.com/",
    "//example.com/",
    "nonsense",
    "",
  ])("refuses %j", (url) => expect(isPublicHttps(url)).toBe(false));
});
