import { findJob, type JobsDeps, type JobView, viewJobRow } from "./job.ts";

/** Between looks at the job's row: short at first, for most jobs are over by then. */
const LOOK_MS = 1_000;
const LATER_LOOK_MS = 3_000;
const LOOKS_AT_FIRST = 60;

/**
 * The job as it stands, then at each change, and at its end for the last time. Its files are counted only when its
 * row has changed. Ends early when the signal aborts.
 * Errors: `not_found`, also when its workspace goes meanwhile.
 */
export async function* watchJob(
  deps: Pick<JobsDeps, "db" | "now">,
  workspaceId: string,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<JobView> {
  let seen = "";
  for (let look = 1; !signal.aborted; look++) {
    const row = await findJob(deps, workspaceId, id);
    const state = `${row.status} ${row.updatedAt}`;
    if (state !== seen) yield await viewJobRow(deps, row);
    seen = state;
    if (row.finishedAt !== null) return;
    await pause(look > LOOKS_AT_FIRST ? LATER_LOOK_MS : LOOK_MS, signal);
  }
}

/** Waits; no longer than until the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
