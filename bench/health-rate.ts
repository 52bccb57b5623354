import autocannon from "autocannon";
import { percentile, type Row } from "./figures.ts";

const ROUNDS = 6;
const SECONDS = 3;
const CONNECTIONS = 10;

/** Requests a second of `/health` through the full middleware chain, against a bare Hono Worker. In turns. */
export async function measureHealth(ours: string, bare: string): Promise<Row> {
  const rates: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  await Promise.all([rate(ours, 1), rate(bare, 1)]);
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? (["ours", "bare"] as const) : (["bare", "ours"] as const);
    for (const side of order) rates[side].push(await rate(side === "ours" ? ours : bare, SECONDS));
  }
  const ratios = rates.ours.map((value, i) => value / (rates.bare[i] ?? Number.NaN));
  return {
    what: `GET /health, ${CONNECTIONS} connections`,
    ours: `${Math.round(percentile(rates.ours, 0.5))} requests/s`,
    reference: `${Math.round(percentile(rates.bare, 0.5))} requests/s (bare Hono Worker)`,
    ratio: percentile(ratios, 0.5),
    goal: { atLeast: 0.8 },
  };
}

async function rate(url: string, duration: number): Promise<number> {
  const result = await autocannon({ url: `${url}/health`, connections: CONNECTIONS, duration });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url}: ${result.non2xx} answers were not 2xx, ${result.errors} errors`);
  }
  return result.requests.average;
}
