import { describe, expect, it } from "vitest";
import { pathInWords } from "../../../src/core/path-words.ts";

describe("paths in words", () => {
  it.each([
    ["src/locales/de.ts", " German"],
    ["i18n/pt_BR/errors.json", " Brazilian Portuguese"],
    ["locales/zh-Hant.json", " Traditional Chinese"],
    ["lang/en/fr.php", " English French"],
    // No code of a language, or none of translations.
    ["src/de.ts", ""],
    ["de/locales.ts", ""],
    ["locales/index.ts", ""],
    ["locales/zz.ts", ""],
    ["locales/de-abc.ts", ""],
    ["locales/DE.ts", ""],
    ["", ""],
  ])("%s%s", (path, added) => expect(pathInWords(path)).toBe(path + added));
});
