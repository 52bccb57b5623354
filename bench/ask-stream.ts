import type { startStandInChat } from "../test/support/stand-in-chat.ts";
import { percentile, type Row } from "./figures.ts";

export interface AskTarget {
  url: string;
  apiKey: string;
}

const WARM_UP = 5;
const STREAMS = 5;

/**
 * Two figures of answers as streams: the time to the first event, `sources`, against a whole plain search, by turns
 * and with texts that no cache knows; and the time of a whole stream of 200 words, paced at 5 ms, through DevFlow and
 * read from the model's stand-in directly, less the time to the first word.
 */
export async function measureAsk(
  target: AskTarget,
  chat: Awaited<ReturnType<typeof startStandInChat>>,
  questions: readonly string[],
): Promise<Row[]> {
  const first: number[] = [];
  const plain: number[] = [];
  for (const [i, question] of questions.entries()) {
    const both = [
      async () => first.push((await streamed(target, question)).firstMs),
      async () => plain.push(await searched(target, `${question}?`)),
    ];
    for (const run of i % 2 === 0 ? both : both.reverse()) await run();
  }
  const ours: number[] = [];
  const direct: number[] = [];
  for (let i = 0; i < STREAMS; i++) {
    const marker = `askpaced${String(i).padStart(8, "0")}`;
    ours.push((await streamed(target, `how is a string parsed ${marker}`)).wordsMs);
    direct.push(await readDirectly(chat.url, marker));
  }
  const [a, b] = [percentile(first.slice(WARM_UP), 0.5), percentile(plain.slice(WARM_UP), 0.5)];
  const [c, d] = [percentile(ours, 0.5), percentile(direct, 0.5)];
  return [
    {
      what: `ask: time to sources p50, ${first.length - WARM_UP} questions`,
      ours: `${a.toFixed(1)} ms`,
      reference: `${b.toFixed(1)} ms (plain search)`,
      ratio: a / b,
      goal: { atMost: 1.2 },
    },
    {
      what: "ask: 200 words streamed at 5 ms",
      ours: `${c.toFixed(0)} ms`,
      reference: `${d.toFixed(0)} ms (read directly)`,
      ratio: c / d,
      goal: { atMost: 1.1 },
    },
  ];
}

async function searched({ url, apiKey }: AskTarget, query: string): Promise<number> {
  const started = performance.now();
  const response = await post(`${url}/v1/search`, apiKey, { query, limit: 10 });
  await response.text();
  return performance.now() - started;
}

/** Milliseconds to the first event, and from the first word to the end. */
async function streamed(
  { url, apiKey }: AskTarget,
  question: string,
): Promise<{ firstMs: number; wordsMs: number }> {
  const started = performance.now();
  const response = await post(`${url}/v1/ask`, apiKey, { question, stream: true });
  return timesOf(response, started, /event: sources\n.*\n.*\n\n/, /event: delta\n/);
}

async function readDirectly(url: string, marker: string): Promise<number> {
  const messages = [{ role: "user", content: marker }];
  const response = await post(`${url}/chat/completions`, "none", { model: "x", stream: true, messages });
  return (await timesOf(response, performance.now(), /data: /, /data: /)).wordsMs;
}

async function timesOf(response: Response, started: number, event: RegExp, word: RegExp) {
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`);
  let text = "";
  let firstMs: number | null = null;
  let wordAt: number | null = null;
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (firstMs === null && event.test(text)) firstMs = performance.now() - started;
    if (wordAt === null && word.test(text)) wordAt = performance.now();
  }
  const end = performance.now();
  return { firstMs: firstMs ?? Number.NaN, wordsMs: end - (wordAt ?? end) };
}

function post(url: string, key: string, body: object): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
