import autocannon from "autocannon";
import { percentile, type Row } from "./figures.ts";

const ROUNDS = 6;
const SECONDS = 3;
const CONNECTIONS = 10;

export interface Target {
  url: string;
  headers?: Record<string, string>;
}

/** Requests a second of two addresses in turns, 10 connections each; the ratio is the median of the rounds'. */
export async function measureRate(
  what: string,
  ours: Target,
  reference: Target & { name: string },
): Promise<Row> {
  const rates: { ours: number[]; reference: number[] } = { ours: [], reference: [] };
  await Promise.all([rate(ours, 1), rate(reference, 1)]);
  for (let round = 0; round < ROUNDS; round++) {
    const order = ["ours", "reference"] as const;
    for (const side of round % 2 === 0 ? order : order.toReversed()) {
      rates[side].push(await rate(side === "ours" ? ours : reference, SECONDS));
    }
  }
  const ratios = rates.ours.map((value, i) => value / (rates.reference[i] ?? Number.NaN));
  return {
    what: `${what}, ${CONNECTIONS} connections`,
    ours: `${Math.round(percentile(rates.ours, 0.5))} requests/s`,
    reference: `${Math.round(percentile(rates.reference, 0.5))} requests/s (${reference.name})`,
    ratio: percentile(ratios, 0.5),
    goal: { atLeast: 0.8 },
  };
}

async function rate({ url, headers = {} }: Target, duration: number): Promise<number> {
  const result = await autocannon({ url, headers, connections: CONNECTIONS, duration });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url}: ${result.non2xx} answers were not 2xx, ${result.errors} errors`);
  }
  return result.requests.average;
}
