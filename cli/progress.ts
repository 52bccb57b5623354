import cliProgress from "cli-progress";
import type { Context } from "./context.ts";

export interface Progress extends Disposable {
  set(value: number, detail?: string): void;
  total(value: number): void;
}

/** Quarters are enough where nobody watches: a log. */
const LOG_STEPS = 4;

/** A bar on a terminal, a line for each quarter elsewhere; both on stderr. */
export function startProgress(context: Context, label: string, total: number, unit: string): Progress {
  return context.interactive ? bar(label, total, unit) : lines(context, label, total, unit);
}

function bar(label: string, total: number, unit: string): Progress {
  const shown = new cliProgress.SingleBar(
    {
      format: `${label.padEnd(9)} {bar} {percentage}% | {value}/{total} ${unit} | {detail}| {duration_formatted}, {eta_formatted} left`,
      hideCursor: true,
      stream: process.stderr,
      etaBuffer: 50,
    },
    cliProgress.Presets.shades_classic,
  );
  shown.start(Math.max(1, total), 0, { detail: "" });
  return {
    set: (value, detail) => shown.update(value, { detail: detail === undefined ? "" : `${detail} ` }),
    total: (value) => shown.setTotal(Math.max(1, value)),
    [Symbol.dispose]: () => shown.stop(),
  };
}

function lines(context: Context, label: string, total: number, unit: string): Progress {
  let all = total;
  let shown = 0;
  return {
    set(value, detail) {
      const step = Math.floor((value / Math.max(1, all)) * LOG_STEPS);
      if (step <= shown) return;
      shown = step;
      context.note(`${label}: ${value}/${all} ${unit}${detail === undefined ? "" : `, ${detail}`}`);
    },
    total: (value) => {
      all = value;
    },
    [Symbol.dispose]: () => {},
  };
}
