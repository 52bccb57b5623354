import type { LabelledQuery } from "./labelled-set.ts";
import { type Place, type Scores, scoresOf } from "./metrics.ts";
import { MODES, type Mode } from "./server.ts";
import type { Sketch } from "./sketch.ts";

export type System = (typeof MODES)[number] | `sketch ${(typeof MODES)[number]}`;

/** What is judged: places of one workspace, best first. */
export interface SearchedServer {
  search(query: string, mode: Mode, limit: number): Promise<Place[]>;
}

/** Scores of each system, query by query, in the order of the queries. */
export type Judgement = Map<System, Scores[]>;

/** Queries under way at once: the local embedder answers one after the other anyway. */
const CONCURRENCY = 4;
/** Places asked for: files are counted once each, so ten of them may take more places than ten. */
const LIMITS = { files: 50, lines: 10 };

/** Asks the server every query in every mode and, where there is one, the baseline. */
export async function judge(
  queries: readonly LabelledQuery[],
  server: SearchedServer,
  sketch: Sketch | null,
  onProgress: (done: number) => void,
): Promise<Judgement> {
  const judgement: Judgement = new Map();
  const note = (system: System, at: number, ranking: readonly Place[], query: LabelledQuery) => {
    const scores = judgement.get(system) ?? [];
    scores[at] = scoresOf(ranking, query);
    judgement.set(system, scores);
  };
  let next = 0;
  let done = 0;
  const work = async () => {
    for (let at = next++; at < queries.length; at = next++) {
      const query = queries[at];
      if (query === undefined) return;
      const limit = query.relevant.every((answer) => typeof answer === "string")
        ? LIMITS.files
        : LIMITS.lines;
      for (const mode of MODES) note(mode, at, await server.search(query.query, mode, limit), query);
      if (sketch !== null) {
        const rankings = await sketch.rank(query.query);
        for (const mode of MODES) note(`sketch ${mode}`, at, rankings[mode], query);
      }
      onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return judgement;
}
