import cliProgress from "cli-progress";

/** Files of all jobs together, and the chunks found so far. */
export interface Progress {
  total: number;
  done: number;
  failed: number;
  chunks: number;
}

/** Quarters are enough where nobody watches: a log. */
const LOG_STEPS = 4;

/** A progress bar on a terminal, a line for each quarter elsewhere. Disposed of, it says what failed. */
export function showProgress(): Disposable & { update(progress: Progress): void } {
  return process.stdout.isTTY ? barOnTerminal() : linesInLog();
}

function barOnTerminal() {
  const bar = new cliProgress.SingleBar(
    {
      format: "  {bar} {percentage}% | {value}/{total} files | {chunks} chunks | {duration_formatted}",
      hideCursor: true,
    },
    cliProgress.Presets.shades_classic,
  );
  let failed = 0;
  bar.start(1, 0, { chunks: 0 });
  return {
    update(progress: Progress) {
      failed = progress.failed;
      bar.setTotal(Math.max(1, progress.total));
      bar.update(progress.done, { chunks: progress.chunks });
    },
    [Symbol.dispose]() {
      bar.stop();
      tellFailed(failed);
    },
  };
}

function linesInLog() {
  let failed = 0;
  let shown = -1;
  return {
    update(progress: Progress) {
      failed = progress.failed;
      const step = Math.floor((progress.done / Math.max(1, progress.total)) * LOG_STEPS);
      if (step <= shown) return;
      shown = step;
      console.log(`  ${progress.done}/${progress.total} files, ${progress.chunks} chunks`);
    },
    [Symbol.dispose]: () => tellFailed(failed),
  };
}

function tellFailed(failed: number): void {
  if (failed > 0) {
    console.log(`  ${failed} files could not be indexed; GET /v1/jobs/{id}/files?status=failed says why.`);
  }
}
