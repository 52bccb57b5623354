/** What was measured of a workspace of so many files. */
export interface Growth {
  files: number;
  chunks: number;
  /** From the first upload until all is indexed. */
  indexSeconds: number;
  /** The whole tree again, of which nothing changed: plan and commit of a sync. */
  againSeconds: number;
  planSeconds: number;
  /** `POST /v1/index` without force: every chunk, vector and blob looked up. */
  repairSeconds: number;
  /** Median of one search. */
  searchSeconds: number;
}

/** As a Markdown table. */
export function table(all: readonly Growth[]): string {
  const lines = all.map((one) => {
    const perFile = ((one.indexSeconds / one.files) * 1000).toFixed(1);
    const again = `${one.againSeconds.toFixed(2)} s (${((one.againSeconds / one.indexSeconds) * 100).toFixed(1)} %)`;
    return `| ${one.files.toLocaleString("en")} | ${one.chunks.toLocaleString("en")} | ${one.indexSeconds.toFixed(1)} s | ${perFile} ms | ${again} | ${one.planSeconds.toFixed(2)} s | ${one.repairSeconds.toFixed(1)} s | ${(one.searchSeconds * 1000).toFixed(0)} ms |`;
  });
  return [
    "| files | chunks | indexed in | a file | again, unchanged | of that, the plan | looked through (`POST /v1/index`) | search p50 |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

const LINES = [
  ["indexSeconds", "#1b5e9c", "index all of them"],
  ["repairSeconds", "#7a3e9d", "look through all that is held"],
  ["againSeconds", "#b3541e", "sync them again, unchanged"],
  ["searchSeconds", "#2e7d32", "one search"],
] as const;
/** Of the vertical axis: 0.01 s to 1,000 s. */
const DECADES = { from: -2, to: 3 };

/** Seconds over files, both logarithmic: a straight line of slope 1 is linear growth. An SVG document. */
export function plot(all: readonly Growth[]): string {
  const logs = all.map(({ files }) => Math.log10(files));
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const x = (files: number) => 70 + ((Math.log10(files) - least) / Math.max(1e-9, most - least)) * 440;
  const y = (seconds: number) => {
    const decade = Math.log10(Math.max(10 ** DECADES.from, seconds));
    return 340 - ((decade - DECADES.from) / (DECADES.to - DECADES.from)) * 260;
  };
  const lines = LINES.flatMap(([name, colour, label], i) => [
    `<polyline points="${all.map((one) => `${x(one.files).toFixed(0)},${y(one[name]).toFixed(0)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...all.map(
      (one) =>
        `<circle cx="${x(one.files).toFixed(0)}" cy="${y(one[name]).toFixed(0)}" r="3" fill="${colour}"/>`,
    ),
    `<text x="80" y="${20 + i * 15}" fill="${colour}">${label}</text>`,
  ]);
  const decades = Array.from({ length: DECADES.to - DECADES.from + 1 }, (_, i) => 10 ** (DECADES.from + i));
  return [
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 540 390" font-family="sans-serif" font-size="12">',
    "<title>Seconds over files, both logarithmic</title>",
    '<rect width="540" height="390" fill="white"/>',
    '<path d="M70 80V340H510" fill="none" stroke="black"/>',
    ...all.map(
      ({ files }) =>
        `<text x="${x(files).toFixed(0)}" y="358" text-anchor="middle">${files.toLocaleString("en")}</text>`,
    ),
    ...decades.map((s) => `<text x="62" y="${(y(s) + 4).toFixed(0)}" text-anchor="end">${s}</text>`),
    '<text x="290" y="380" text-anchor="middle">files</text>',
    '<text x="24" y="70">seconds</text>',
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}
