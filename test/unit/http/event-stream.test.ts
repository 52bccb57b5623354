import { describe, expect, it } from "vitest";
import { DevFlowError } from "../../../src/core/errors.ts";
import { type ServerEvent, streamOf } from "../../../src/http/event-stream.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const event = (body: unknown): ServerEvent => ({ name: "progress", id: "7", body });

async function* silence(signal: AbortSignal): AsyncGenerator<ServerEvent> {
  while (!signal.aborted) await sleep(5);
  yield* [];
}

function stream(
  events: (signal: AbortSignal) => AsyncIterable<ServerEvent>,
  options: { commentMs?: number; longestMs?: number; check?: () => Promise<void> } = {},
) {
  const ended = new AbortController();
  const body = streamOf(events(ended.signal), ended, {
    times: { commentMs: options.commentMs ?? 10_000, longestMs: options.longestMs ?? 10_000 },
    check: options.check ?? (async () => {}),
    problem: (error) => ({ code: (error as DevFlowError).code }),
  });
  return { ended, body, text: () => new Response(body).text() };
}

describe("streamOf", () => {
  it("writes events that no content can break out of", async () => {
    async function* events() {
      yield event({ text: "a\n\ndata: forged\r\n" });
      yield event(2);
    }
    expect(await stream(events).text()).toBe(
      'event: progress\nid: 7\ndata: {"text":"a\\n\\ndata: forged\\r\\n"}\n\nevent: progress\nid: 7\ndata: 2\n\n',
    );
  });

  it("comments while nothing happens, and ends in time", async () => {
    const { text, ended } = stream(silence, { commentMs: 20, longestMs: 110 });
    const lines = (await text()).split("\n\n").filter((line) => line !== "");
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(new Set(lines)).toEqual(new Set([": still here"]));
    expect(ended.signal.aborted).toBe(true);
  });

  it("tells of a failure in an error event, and ends", async () => {
    async function* failing() {
      yield event(1);
      throw new DevFlowError("not_found", "gone");
    }
    expect((await stream(failing).text()).split("\n\n").slice(1)).toEqual([
      'event: error\nid: error\ndata: {"code":"not_found"}',
      "",
    ]);
  });

  it("ends when the credential does not stand any more", async () => {
    const check = () => Promise.reject(new DevFlowError("invalid_api_key", "revoked"));
    expect(await stream(silence, { commentMs: 10, check }).text()).toContain(
      'data: {"code":"invalid_api_key"}',
    );
  });

  it("starts nothing until it is read, and stops when its reader leaves", async () => {
    let looks = 0;
    let stopped = false;
    async function* endless(signal: AbortSignal) {
      while (!signal.aborted) {
        looks++;
        yield event(looks);
        await sleep(5);
      }
      stopped = true;
    }
    const { body } = stream(endless);
    await sleep(20);
    expect(looks).toBe(0);
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    await sleep(30);
    expect(looks).toBeGreaterThan(0);
    expect(stopped).toBe(true);
  });
});
