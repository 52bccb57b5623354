import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeText } from "../../../src/core/decode.ts";

const RUSSIAN = `// Проверка подписи: сравнивает дайджесты за постоянное время.\nfunction проверить(ключ) { return ключ; }\n// Возвращает истину, если подпись верна, иначе ложь и причину отказа.\n`;
const JAPANESE = `// 署名を検証する関数です。鍵が無効な場合は例外を投げます。\nexport function verify(key) {}\n// この関数は一定時間で比較を行います。ファイルの読み込みもできます。\n`;
const KOREAN = `# 서명을 확인하는 함수입니다. 키가 잘못되면 예외를 던집니다.\ndef verify(key): pass\n# 파일을 읽고 결과를 반환합니다. 모든 값은 문자열입니다.\n`;
const CHINESE = `// 验证签名的函数。如果密钥无效，则抛出异常。\nexport function verify(key) {}\n// 这个函数读取文件并返回结果。所有的值都是字符串，时间是毫秒。\n`;
const FRENCH = `/* Vérifie la clé d'accès et renvoie « vrai » si elle est valide : été, naïve, façade, œuvre, 10 €. */\nint vérifier(void) { return 0; }\n/* Où sont les fichiers déjà créés ? À côté de la forêt. */\n`;

const utf16 = (text: string, little: boolean) => {
  const bytes = Buffer.from(text, "utf16le");
  return little ? bytes : bytes.swap16();
};
/**
 * Each text in its codec, by Python, whose codecs are not ours: the only other implementation at hand on any machine.
 * One process for all: it takes longer to start than to encode.
 */
const encodeAll = (texts: readonly { codec: string; text: string }[]): Buffer[] => {
  const script = `
import base64, json, sys
for one in json.load(sys.stdin.buffer):
    print(base64.b64encode(one["text"].encode(one["codec"])).decode())`;
  const lines = execFileSync("python3", ["-c", script], { input: JSON.stringify(texts), encoding: "utf8" });
  return lines
    .trim()
    .split("\n")
    .map((line) => Buffer.from(line, "base64"));
};
const python = (() => {
  try {
    execFileSync("python3", ["-c", "1"]);
    return true;
  } catch {
    return false;
  }
})();

describe("decodeText", () => {
  it.each([
    ["nothing", Buffer.alloc(0), "", "utf-8"],
    ["ASCII", Buffer.from("int main;\n"), "int main;\n", "utf-8"],
    ["UTF-8", Buffer.from("größe 東京 👩‍👩‍👧\r\n"), "größe 東京 👩‍👩‍👧\r\n", "utf-8"],
    ["UTF-8 with a mark", Buffer.from("\ufeffa"), "a", "utf-8"],
    ["a form feed, an escape and a bell", Buffer.from("\f\u001b[0m\u0007"), "\f\u001b[0m\u0007", "utf-8"],
    ["UTF-16 LE with a mark", utf16("\ufeffvar é = 1;", true), "var é = 1;", "utf-16le"],
    ["UTF-16 BE with a mark", utf16("\ufeffvar é = 1;", false), "var é = 1;", "utf-16be"],
    ["UTF-16 LE without a mark", utf16("var é = 1;\n", true), "var é = 1;\n", "utf-16le"],
    ["UTF-16 BE without a mark", utf16("var é = 1;\n", false), "var é = 1;\n", "utf-16be"],
    ["Japanese UTF-16 without a mark", utf16(JAPANESE, true), JAPANESE, "utf-16le"],
    [
      "Latin-1, one accent",
      Buffer.from("// caf\xe9 cr\xe8me\n", "latin1"),
      "// café crème\n",
      "windows-1252",
    ],
  ])("reads %s", (_what, bytes, text, encoding) => {
    expect(decodeText(bytes)).toEqual({ ok: true, text, encoding });
  });

  it.skipIf(!python)(
    "reads each legacy encoding (needs python3 to make the bytes)",
    { timeout: 120_000 },
    () => {
      const cases = [
        ["cp1252", FRENCH, "windows-1252"],
        ["cp1251", RUSSIAN, "windows-1251"],
        ["koi8-r", RUSSIAN, "koi8-r"],
        ["shift_jis", JAPANESE, "shift_jis"],
        ["euc_jp", JAPANESE, "euc-jp"],
        ["iso2022_jp", JAPANESE, "iso-2022-jp"],
        ["euc_kr", KOREAN, "euc-kr"],
        ["gb18030", CHINESE, "gb18030"],
      ].flatMap(([codec = "", text = "", encoding]) => [
        { codec, text, encoding },
        // The same at the end of a file longer than what is looked at, whose beginning is ASCII.
        { codec, text: "const x = 1;\n".repeat(2_000) + text, encoding },
      ]);
      const encoded = encodeAll(cases);
      expect(encoded).toHaveLength(cases.length);
      for (const [i, { codec, text, encoding }] of cases.entries()) {
        expect.soft(decodeText(encoded[i] ?? Buffer.alloc(0)), codec).toEqual({ ok: true, text, encoding });
      }
    },
  );

  it.each([
    ["PNG", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")],
    ["gzip", gzipSync("x".repeat(5000))],
    ["random bytes", randomBytes(4096)],
    ["NUL in the middle of text", Buffer.from("abc\0def")],
    ["four small bytes", Buffer.from([0, 1, 2, 3])],
    ["many controls", Buffer.from("\x01\x02\x03\x04abc")],
    ["little-endian numbers", Buffer.from(new Uint16Array(500).map((_, i) => i * 131).buffer)],
    ["UTF-16 with a mark and a NUL", utf16("\ufeffa\0b", true)],
  ])("calls %s binary", (_what, bytes) => {
    expect(decodeText(bytes)).toEqual({ ok: false, reason: "binary" });
  });

  it.each([
    ["UTF-32 LE", Buffer.from("fffe000061000000", "hex")],
    ["UTF-32 BE", Buffer.from("0000feff00000061", "hex")],
    ["UTF-16 cut in the middle of a unit", Buffer.from("fffe6100ff", "hex")],
    ["UTF-16 with half a surrogate pair", Buffer.from("fffe00d86100", "hex")],
    ["a UTF-8 mark before what is not UTF-8", Buffer.from("efbbbfff61", "hex")],
    ["ISO-2022-KR", Buffer.from("\x1b$)C\x0e0!\x0f\n", "latin1")],
  ])("says that it cannot read %s", (_what, bytes) => {
    expect(decodeText(bytes)).toEqual({ ok: false, reason: "unsupported_encoding" });
  });

  it("gives any Unicode text back, and never throws or invents U+FFFD", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-composite" }), (text) => {
        if (/[\0\ufeff]/.test(text)) return;
        expect(decodeText(Buffer.from(text))).toEqual({ ok: true, text, encoding: "utf-8" });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const decoded = decodeText(bytes);
        if (!decoded.ok || !decoded.text.includes("\ufffd")) return;
        // Then the bytes say so themselves, as FF FD does in UTF-16.
        const { text, encoding } = decoded;
        const encoded = { "utf-8": Buffer.from(text), "utf-16le": utf16(text, true) }[encoding];
        const again = encoding === "utf-16be" ? utf16(text, false) : encoded;
        expect(again && Buffer.from(bytes).subarray(-again.length).equals(again), encoding).toBe(true);
      }),
      { numRuns: 2000, examples: [[Uint8Array.of(0xff, 0xfd, 0x00, 0x20)]] },
    );
  });

  it("takes a megabyte of Latin-1 in well under a second", () => {
    const bytes = Buffer.alloc(1024 * 1024, "caf\xe9 ", "latin1");
    const start = performance.now();
    expect(decodeText(bytes).ok).toBe(true);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
