import type { Judgement, System } from "./judge.ts";
import { average, bootstrap, type Interval, METRICS, type Metric } from "./metrics.ts";

export interface SetReport {
  set: string;
  queries: number;
  files: number;
  chunks: number;
  systems: Record<string, Record<Metric, Interval>>;
  differences: Difference[];
  /** NDCG@10 of hybrid over that of the better of lexical and semantic. */
  hybrid_over_better_leg: number;
}

/** How far one system is ahead of another, query by query. */
export interface Difference {
  system: System;
  over: System;
  metric: Metric;
  difference: Interval;
  /** Of the means; null where the other has 0. */
  ratio: number | null;
}

const PAIRS: readonly [System, System][] = [
  ["hybrid", "lexical"],
  ["hybrid", "semantic"],
  ["hybrid", "sketch hybrid"],
  ["lexical", "sketch lexical"],
  ["semantic", "sketch semantic"],
];
const COMPARED: readonly Metric[] = ["ndcg@10", "recall@10"];

export function reportOf(
  set: string,
  judgement: Judgement,
  { files, chunks }: { files: number; chunks: number },
): SetReport {
  const column = (system: System, metric: Metric) =>
    (judgement.get(system) ?? []).map((scores) => scores[metric]);
  const systems: SetReport["systems"] = {};
  for (const system of judgement.keys()) {
    systems[system] = Object.fromEntries(
      METRICS.map((metric) => [metric, bootstrap(column(system, metric))]),
    ) as Record<Metric, Interval>;
  }
  const differences = COMPARED.flatMap((metric) =>
    PAIRS.filter(([a, b]) => judgement.has(a) && judgement.has(b)).map(([system, over]): Difference => {
      const [ours, theirs] = [column(system, metric), column(over, metric)];
      const [mean, other] = [average(ours), average(theirs)];
      return {
        system,
        over,
        metric,
        difference: bootstrap(ours.map((value, i) => value - (theirs[i] ?? 0))),
        ratio: other === 0 ? null : mean / other,
      };
    }),
  );
  const ndcg = (system: System) => average(column(system, "ndcg@10"));
  const better = Math.max(ndcg("lexical"), ndcg("semantic"));
  return {
    set,
    queries: judgement.get("hybrid")?.length ?? 0,
    files,
    chunks,
    systems,
    differences,
    hybrid_over_better_leg: better === 0 ? 1 : ndcg("hybrid") / better,
  };
}

export function show(report: SetReport): string {
  const lines = [
    `\n${report.set}: ${report.queries} queries over ${report.files} files, ${report.chunks} chunks`,
    row("", METRICS),
  ];
  for (const [system, metrics] of Object.entries(report.systems)) {
    lines.push(
      row(
        system,
        METRICS.map((metric) => percent(metrics[metric])),
      ),
    );
  }
  lines.push("");
  for (const { system, over, metric, difference, ratio } of report.differences) {
    const times = ratio === null ? "" : `  ×${ratio.toFixed(2)}`;
    lines.push(`  ${`${metric}, ${system} − ${over}`.padEnd(40)}${percent(difference, true)}${times}`);
  }
  return lines.join("\n");
}

/** One line for each set, where there are several, and the mean over sets. */
export function summary(reports: readonly SetReport[]): string {
  const ndcg = (report: SetReport, system: string) => report.systems[system]?.["ndcg@10"].mean ?? 0;
  const cells = (report: SetReport) => {
    const baseline = ndcg(report, "sketch hybrid");
    return [
      ...["lexical", "semantic", "hybrid"].map((mode) => (100 * ndcg(report, mode)).toFixed(1)),
      `×${report.hybrid_over_better_leg.toFixed(3)}`,
      baseline === 0 ? "" : `×${(ndcg(report, "hybrid") / baseline).toFixed(3)}`,
    ];
  };
  const mean = average(reports.map((report) => report.hybrid_over_better_leg));
  return [
    "\nNDCG@10 by set",
    row("", ["lexical", "semantic", "hybrid", "over better leg", "over sketch"]),
    ...reports.map((report) => row(report.set, cells(report))),
    `  hybrid over the better leg, mean of the sets: ×${mean.toFixed(3)}`,
  ].join("\n");
}

function row(head: string, cells: readonly string[]): string {
  return `  ${head.padEnd(18)}${cells.map((cell) => cell.padStart(21)).join("")}`;
}

/** Mean and interval in percent: `61.2 [57.0, 65.1]`. */
function percent({ mean, low, high }: Interval, signed = false): string {
  const show = (value: number) => `${signed && value >= 0 ? "+" : ""}${(100 * value).toFixed(1)}`;
  return `${show(mean)} [${show(low)}, ${show(high)}]`;
}
