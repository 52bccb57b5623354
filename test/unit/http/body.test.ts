import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { DevFlowError } from "../../../src/core/errors.ts";
import { counted, extentOf, JSON_BOUNDS, readBytes, readJson } from "../../../src/http/body.ts";
import { manyOf, validate } from "../../../src/http/validate.ts";

const post = (body: string) => new Request("http://localhost/", { method: "POST", body });

describe("readJson", () => {
  it.each([
    ["elements", `{"query":"x","languages":[${"0,".repeat(10_000)}0]}`],
    ["empty objects", `[${"{},".repeat(5_001)}{}]`],
    ["members", `{${Array.from({ length: 10_001 }, (_, i) => `"${i}":0`).join()}}`],
  ])("refuses a body of too many %s before it is parsed", async (_, body) => {
    expect(body.length).toBeLessThan(JSON_BOUNDS.maxBytes);
    await expect(readJson(post(body), JSON_BOUNDS)).rejects.toMatchObject({
      code: "invalid_request",
      message: "The JSON has over 10000 values.",
    });
  });

  it("does not take for values what stands in strings", async () => {
    const text = `,[{\\"${"a,".repeat(20_000)}`;
    expect(await readJson(post(JSON.stringify([text])), JSON_BOUNDS)).toEqual([text]);
  });
});

describe("a body that breaks off", () => {
  const broken = (headers: Record<string, string> = {}) => {
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ === 0) controller.enqueue(new Uint8Array(10));
        else controller.error(new Error("Network connection lost."));
      },
    });
    return new Request("http://localhost/", { method: "POST", body, headers, duplex: "half" } as RequestInit);
  };

  it.each([
    ["of a declared length", () => readBytes(broken({ "content-length": "100" }), 1000)],
    ["of no length", () => readBytes(broken(), 1000)],
    ["that is streamed", () => new Response(counted(broken(), 1000)).arrayBuffer()],
  ])("is the client's failure: one %s", async (_, read) => {
    await expect(read()).rejects.toMatchObject({
      code: "invalid_request",
      message: "The connection ended before all of the body had come.",
    });
  });

  it("is still refused for its length, and then read no further", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(600)),
      cancel() {
        cancelled = true;
      },
    });
    const request = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);
    await expect(new Response(counted(request, 1000)).arrayBuffer()).rejects.toMatchObject({
      code: "payload_too_large",
    });
    expect(cancelled).toBe(true);
  });
});

describe("extentOf", () => {
  it("counts at least every value, and the depth exactly", () => {
    const extent = (value: unknown): { depth: number; values: number } => {
      if (typeof value !== "object" || value === null) return { depth: 0, values: 1 };
      const inner = Object.values(value).map(extent);
      return {
        depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
        values: 1 + inner.reduce((sum, { values }) => sum + values, 0),
      };
    };
    fc.assert(
      fc.property(fc.json(), (json) => {
        const [counted, real] = [extentOf(json), extent(JSON.parse(json))];
        expect(counted.depth).toBe(real.depth);
        expect(counted.values).toBeGreaterThanOrEqual(real.values);
        expect(counted.values).toBeLessThanOrEqual(2 * real.values);
      }),
    );
  });
});

describe("validate", () => {
  it.each([
    ["elements", z.array(z.string()), Array(1000).fill(0)],
    [
      "unknown fields",
      z.strictObject({}),
      Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i, 0])),
    ],
  ])("names the first fifty of a thousand refused %s", (_, schema, value) => {
    try {
      validate(schema as z.ZodType, value, "");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(DevFlowError);
      expect((error as DevFlowError).errors).toHaveLength(50);
    }
  });
});

describe("manyOf", () => {
  const schema = z.strictObject({ files: manyOf(z.strictObject({ n: z.int() }), 100_000, "Too many.") });

  it("reads what it takes as an array does", () => {
    expect(validate(schema, { files: [{ n: 1 }, { n: 2 }] }, "")).toEqual({ files: [{ n: 1 }, { n: 2 }] });
    expect(() => validate(schema, { files: "many" }, "")).toThrow("/files");
  });

  it("reads no further than the first refused ones, and says which", () => {
    let read = 0;
    const bad = {
      get n() {
        read++;
        return "no number";
      },
    };
    const files = [{ n: 1 }, ...Array(99_999).fill(bad)];
    try {
      validate(schema, { files }, "");
      expect.unreachable();
    } catch (error) {
      expect((error as DevFlowError).errors).toHaveLength(50);
      expect((error as DevFlowError).errors?.[0]?.pointer).toBe("/files/1/n");
    }
    expect(read).toBeLessThan(1000);
    expect(() => validate(schema, { files: Array(100_001).fill({ n: 1 }) }, "")).toThrow("Too many.");
  });
});
