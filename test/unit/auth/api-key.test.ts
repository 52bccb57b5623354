import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  crc32,
  digestApiKey,
  displayPrefix,
  generateApiKey,
  isWellFormedApiKey,
} from "../../../src/auth/api-key.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("crc32", () => {
  it("agrees with zlib", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => crc32(bytes) === zlibCrc32(bytes)));
  });
});

describe("generateApiKey", () => {
  it("makes keys of one form, whatever the randomness", () => {
    fc.assert(
      fc.property(bytes32, (bytes) => {
        const key = generateApiKey(() => bytes);
        expect(key).toMatch(/^dvf_[0-9A-Za-z]{49}$/);
        expect(isWellFormedApiKey(key)).toBe(true);
      }),
    );
    for (const fill of [0, 255]) {
      expect(isWellFormedApiKey(generateApiKey((length) => new Uint8Array(length).fill(fill)))).toBe(true);
    }
  });

  it("keeps all 256 bits: different bytes, different keys", () => {
    fc.assert(
      fc.property(bytes32, bytes32, (a, b) => {
        const same = a.every((byte, i) => byte === b[i]);
        expect(generateApiKey(() => a) === generateApiKey(() => b)).toBe(same);
      }),
    );
  });
});

describe("isWellFormedApiKey", () => {
  it("refuses every key with one character changed", () => {
    const characters = [..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"];
    fc.assert(
      fc.property(bytes32, fc.nat(52), fc.constantFrom(...characters), (bytes, at, character) => {
        const key = generateApiKey(() => bytes);
        fc.pre(key[at] !== character);
        expect(isWellFormedApiKey(key.slice(0, at) + character + key.slice(at + 1))).toBe(false);
      }),
    );
  });

  it("refuses whatever else there is", () => {
    fc.assert(fc.property(fc.string(), (text) => !isWellFormedApiKey(text)));
    const key = generateApiKey();
    for (const text of [
      "",
      "dvf_",
      `${key}0`,
      `${key}\n`,
      ` ${key}`,
      key.toUpperCase(),
      key.slice(1),
      key.slice(0, -1),
    ]) {
      expect(isWellFormedApiKey(text)).toBe(false);
    }
  });
});

describe("what is kept of a key", () => {
  it("is a digest, and eight of its 43 random characters", async () => {
    const key = generateApiKey();
    expect(await digestApiKey(key)).toMatch(/^[0-9a-f]{64}$/);
    expect(displayPrefix(key)).toBe(key.slice(0, 12));
  });
});
