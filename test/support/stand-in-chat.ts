import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Words in a question that choose what the stand-in does; what follows tells one test's calls from another's:
 * ok: cites the first source. obey: says what a source tells it to say. paced: a word every 5 ms. slow: every 50 ms.
 * plain: without streaming. uncounted: without usage. cut: the connection ends after a few words. silent: before any.
 * sort: puts results of a search that hold the word WANTED first. hang: no word at all. refused: 401. busy: 503. once: 503 the first time. mute: 200 and then nothing, the first time.
 */
const MARKER =
  /ask(ok|sort|obey|paced|slow|plain|uncounted|cut|silent|hang|refused|busy|once|mute)[0-9a-z]{8}/;
const SLOW_MS = 50;
const PACED_MS = 5;
const WORDS = 200;

export interface StandInCall {
  authorization: string | null;
  body: { model: string; messages: { role: string; content: string }[]; stream?: boolean } & Record<
    string,
    unknown
  >;
  /** The reader closed the connection before the answer was through. */
  aborted: boolean;
  /** Parts that were written. */
  parts: number;
}

export interface StandInChat {
  /** Settings of a stack that answers by it. */
  settings: Record<string, string>;
  /** Base URL as clients of the API use it. Below `/unlisted` in the place of `/v1` no models are listed. */
  url: string;
  /** Calls whose last message holds the marker, oldest first; `GET /calls/<marker>` answers the same as JSON. */
  calls(marker: string): StandInCall[];
  stop(): Promise<void>;
}

/** A server that speaks OpenAI's chat completions without a model behind them. */
export async function startStandInChat(): Promise<StandInChat> {
  const calls = new Map<string, StandInCall[]>();
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    if (path.startsWith("/calls/")) {
      response.end(JSON.stringify(calls.get(path.slice("/calls/".length)) ?? []));
      return;
    }
    if (path.endsWith("/models")) {
      if (path.startsWith("/unlisted/")) response.writeHead(404);
      response.end(JSON.stringify({ object: "list", data: [{ id: "stand-in", object: "model" }] }));
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = JSON.parse(Buffer.concat(parts).toString()) as StandInCall["body"];
    const asked = body.messages.at(-1)?.content ?? "";
    const [marker = "", kind = "ok"] = MARKER.exec(asked) ?? [];
    const call = { authorization: request.headers.authorization ?? null, body, aborted: false, parts: 0 };
    const earlier = calls.get(marker) ?? [];
    calls.set(marker, [...earlier, call]);
    response.on("close", () => {
      call.aborted = !response.writableFinished;
    });
    await new Turn(kind, asked, call, response, earlier.length === 0).play();
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return {
    url,
    settings: {
      OPENAI_CHAT_MODEL: "stand-in",
      OPENAI_CHAT_BASE_URL: url,
      OPENAI_CHAT_API_KEY: "local",
    },
    calls: (marker) => calls.get(marker) ?? [],
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class Turn {
  readonly #kind: string;
  readonly #asked: string;
  readonly #call: StandInCall;
  readonly #response: ServerResponse;
  readonly #first: boolean;

  constructor(kind: string, asked: string, call: StandInCall, response: ServerResponse, first: boolean) {
    this.#kind = kind;
    this.#asked = asked;
    this.#call = call;
    this.#response = response;
    this.#first = first;
  }

  async play(): Promise<void> {
    const response = this.#response;
    switch (this.#kind) {
      case "refused":
        return this.#refuse(401, "Incorrect API key provided: sk-canary");
      case "busy":
        return this.#refuse(503, "overloaded sk-canary");
      case "once":
        return this.#first ? this.#refuse(503, "overloaded") : this.#stream(words(this.#asked));
      case "silent":
        response.destroy();
        return;
      case "hang":
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        return;
      case "mute":
        if (!this.#first) return this.#stream(words(this.#asked));
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        response.destroy();
        return;
      case "plain":
        return this.#json(words(this.#asked).join(""));
      case "sort":
        return this.#stream([sorted(this.#asked)]);
      case "obey":
        return this.#stream(obedience(this.#asked));
      case "paced":
      case "slow":
        return this.#stream(Array.from({ length: WORDS }, (_, i) => `word${i} `));
      default:
        return this.#stream(words(this.#asked));
    }
  }

  #refuse(status: number, message: string): void {
    this.#response.writeHead(status, { "content-type": "application/json" });
    this.#response.end(JSON.stringify({ error: { message, type: "error", code: null } }));
  }

  #json(content: string): void {
    this.#response.writeHead(200, { "content-type": "application/json" });
    const message = { role: "assistant", content };
    this.#response.end(
      JSON.stringify({
        choices: [{ index: 0, message, finish_reason: "stop" }],
        usage: this.#usage(content),
      }),
    );
  }

  async #stream(parts: string[]): Promise<void> {
    const response = this.#response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (body: object) => response.write(`data: ${JSON.stringify(body)}\n\n`);
    const pauseMs = this.#kind === "slow" ? SLOW_MS : this.#kind === "paced" ? PACED_MS : 0;
    for (const [i, content] of parts.entries()) {
      if (response.destroyed) return;
      if (this.#kind === "cut" && i === 3) {
        // What was written goes out first.
        await new Promise((resolve) => setTimeout(resolve, 20));
        response.destroy();
        return;
      }
      send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
      this.#call.parts++;
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
    if (this.#kind !== "uncounted") send({ choices: [], usage: this.#usage(parts.join("")) });
    response.end("data: [DONE]\n\n");
  }

  /** A token for four characters. */
  #usage(answer: string): object {
    const characters = this.#call.body.messages.reduce((sum, { content }) => sum + content.length, 0);
    const [input, output] = [Math.ceil(characters / 4), Math.ceil(answer.length / 4)];
    return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  }
}

/** An honest answer: names the first source by its number and lines. */
function words(asked: string): string[] {
  const source = /source (\d+) .*?lines (\d+)-(\d+)/.exec(asked);
  if (source === null) return ["Nothing ", "in the sources ", "answers ", "this."];
  const [, n, from, to] = source;
  return ["It is ", "written ", "in the ", "first source ", `[${n}:`, `${from}-${to}`, "]."];
}

/** Numbers of the sources that hold the word WANTED. */
function sorted(asked: string): string {
  const sources = [...asked.matchAll(/^<<<source (\d+) [\s\S]*?^<<<end/gm)];
  return sources
    .filter(([text]) => text.includes("WANTED"))
    .map(([, n]) => n)
    .join(", ");
}

/** What a model says that takes sources for orders: whatever follows `SAY:` on a line, in parts of three characters. */
function obedience(asked: string): string[] {
  const said = [...asked.matchAll(/SAY:(.*)$/gm)].map((match) => (match[1] ?? "").replaceAll("\\n", "\n"));
  return said.join("\n").match(/[\s\S]{1,3}/g) ?? [];
}
