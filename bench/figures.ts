/** Value below which the share `p` (0..1) of the samples lies, by nearest rank. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}

export interface Row {
  what: string;
  ours: string;
  reference: string;
  ratio: number;
  /** What the ratio must satisfy; null where it is told for comparison. */
  goal: { atLeast: number } | { atMost: number } | null;
}

/** Whether the row meets its goal. */
export function meets(row: Row): boolean {
  if (row.goal === null) return true;
  return "atLeast" in row.goal ? row.ratio >= row.goal.atLeast : row.ratio <= row.goal.atMost;
}

/** The rows as a Markdown table. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const met = row.goal === null ? "" : meets(row) ? "yes" : "NO";
    return `| ${row.what} | ${row.ours} | ${row.reference} | ${row.ratio.toFixed(2)} | ${goalOf(row)} | ${met} |`;
  });
  return [
    "| what | DevFlow | reference | ratio | goal | met |",
    "| --- | --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

function goalOf({ goal }: Row): string {
  if (goal === null) return "";
  return "atLeast" in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
}
