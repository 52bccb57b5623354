import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IndexingMessageSchema, indexMessages, sendable } from "../../../src/core/messages.ts";

const file = fc.record({
  path: fc.string({ minLength: 1, maxLength: 1024, unit: "grapheme" }),
  generation: fc.nat(),
  size: fc.nat(1 << 20),
});

describe("indexMessages", () => {
  it("carries each file once, in order, in messages that a queue takes", () => {
    fc.assert(
      fc.property(fc.array(file, { maxLength: 200 }), (files) => {
        const messages = indexMessages("ws_a", "job_a", files);
        const carried = messages.flatMap((message) => (message.kind === "index" ? message.files : []));
        expect(carried).toEqual(files.map(({ path, generation }) => ({ path, generation })));
        for (const message of messages) {
          expect(IndexingMessageSchema.parse(message)).toEqual(message);
          expect(new TextEncoder().encode(JSON.stringify(message)).length).toBeLessThan(128_000);
        }
        for (const group of sendable(messages)) {
          expect(group.length).toBeLessThanOrEqual(100);
          expect(new TextEncoder().encode(JSON.stringify(group)).length).toBeLessThan(256_000);
        }
        expect(sendable(messages).flat()).toEqual(messages);
      }),
      { numRuns: 60 },
    );
  });

  it("refuses what another version or a fault may have put into the queue", () => {
    for (const body of [null, "x", {}, { kind: "index" }, { kind: "other", workspaceId: "a", jobId: "b" }]) {
      expect(IndexingMessageSchema.safeParse(body).success).toBe(false);
    }
  });
});
