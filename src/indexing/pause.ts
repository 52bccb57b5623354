import type { Budget, BudgetExhaustedError } from "../core/budget.ts";
import type { MessageQueue } from "../core/ports.ts";
import type { SecurityEvents } from "../core/security-event.ts";
import type { Database } from "../db/database.ts";
import {
  pauseJob,
  resumePausedJob,
  selectPausedJobs,
  selectWorkspacesWithPausedJobs,
} from "../db/job-control.ts";
import { sendPending } from "./send-pending.ts";

export interface PauseDeps {
  db: Database;
  queue: MessageQueue;
  events: SecurityEvents;
  budgetOf(workspaceId: string): Budget;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Bound of one cron run; the next one goes on. */
const WORKSPACES_AT_ONCE = 100;

/** Stops the job until there are tokens again. Its files stay pending: none is lost, and none fails. */
export async function pauseForBudget(
  deps: Pick<PauseDeps, "db" | "events" | "now">,
  { workspaceId, jobId }: { workspaceId: string; jobId: string },
  refusal: BudgetExhaustedError,
): Promise<void> {
  const pause = { error: refusal.message, tokensWanted: refusal.tokens, now: deps.now() };
  const [paused] = await pauseJob(deps.db, jobId, pause);
  if (paused === undefined) return;
  deps.events.record({ type: "budget_exhausted", workspaceId, detail: { job_id: jobId } });
}

/**
 * Lets jobs of all workspaces go on whose budgets have room: a new month began, a budget was raised or lifted, or
 * calls under way gave back what they had set aside. @returns the number of jobs.
 */
export async function resumePausedJobs(deps: Omit<PauseDeps, "events">): Promise<number> {
  let resumed = 0;
  for (const workspace of await selectWorkspacesWithPausedJobs(deps.db, WORKSPACES_AT_ONCE)) {
    resumed += await resumeWorkspace(deps, workspace);
  }
  return resumed;
}

/** The same for one workspace. @returns the number of jobs. */
export async function resumeWorkspace(
  deps: Omit<PauseDeps, "events">,
  workspace: { id: string; monthlyTokenBudget: number | null },
): Promise<number> {
  const left = await tokensLeft(deps, workspace);
  let resumed = 0;
  for (const job of await selectPausedJobs(deps.db, workspace.id, left)) {
    const [taken] = await resumePausedJob(deps.db, job.id, deps.now());
    if (taken === undefined) continue;
    await sendPending(deps, job);
    resumed++;
  }
  return resumed;
}

/** Tokens that a call could set aside now; null: any number. */
async function tokensLeft(
  deps: Pick<PauseDeps, "budgetOf">,
  { id, monthlyTokenBudget }: { id: string; monthlyTokenBudget: number | null },
): Promise<number | null> {
  if (monthlyTokenBudget === null) return null;
  const { spent, reserved } = await deps.budgetOf(id).state();
  // Where all is spent nothing goes on, not even a job that wants nothing.
  return spent >= monthlyTokenBudget ? -1 : monthlyTokenBudget - spent - reserved;
}
