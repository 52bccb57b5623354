import { dayOf } from "../core/usage.ts";
import { type DeploymentCounts, selectDeploymentCounts } from "../db/metrics.ts";
import { type Readiness, type ReadinessDeps, readiness } from "./readiness.ts";

const HOUR_MS = 3_600_000;
/** Prometheus' text format, version 0.0.4. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A metric and its samples; labels by name. */
interface Metric {
  name: string;
  type: "counter" | "gauge";
  help: string;
  samples: { labels?: Record<string, string>; value: number }[];
}

/** The deployment's state as Prometheus reads it. Everything is read from stores, so no isolate tells of itself alone. */
export async function metricsText(deps: ReadinessDeps, version: string): Promise<string> {
  const now = deps.now();
  const [counts, ready] = await Promise.all([
    selectDeploymentCounts(deps.db, { sinceMs: now - HOUR_MS, day: dayOf(now) }),
    readiness(deps),
  ]);
  return metricsOf(counts, ready, version, now).map(written).join("");
}

function metricsOf(counts: DeploymentCounts, ready: Readiness, version: string, now: number): Metric[] {
  const seconds = (atMs: number) => Math.max(0, now - atMs) / 1000;
  const gauge = (name: string, help: string, samples: Metric["samples"]): Metric => ({
    name,
    type: "gauge",
    help,
    samples,
  });
  return [
    gauge("devflow_info", "The version that answers.", [{ labels: { version }, value: 1 }]),
    {
      name: "devflow_requests_total",
      type: "counter",
      help: "Answers since the deployment began, by route and class of status.",
      samples: counts.requests.map(({ route, status_class, count }) => ({
        labels: { route, status: status_class },
        value: count,
      })),
    },
    gauge(
      "devflow_jobs",
      "Jobs that are open, and those that ended within the hour, by status; 10000 in all at most.",
      ["queued", "running", "paused", "succeeded", "failed", "cancelled"].map((status) => ({
        labels: { status },
        value: counts.jobs.find((one) => one.status === status)?.count ?? 0,
      })),
    ),
    gauge("devflow_pending_files", "Files that open jobs have still to do; 10000 at most.", [
      { value: counts.pendingFiles },
    ]),
    gauge(
      "devflow_queue_age_seconds",
      "Since the open job that waits longest was moved; 0 where none is open.",
      [{ value: counts.oldestMoveMs === null ? 0 : seconds(counts.oldestMoveMs) }],
    ),
    gauge(
      "devflow_security_events",
      "Security events within the hour, by type.",
      counts.events.map(({ type, count }) => ({ labels: { type }, value: count })),
    ),
    gauge("devflow_tokens_today", "Tokens paid for since midnight UTC, by kind.", [
      { labels: { kind: "embedding" }, value: counts.today.embedding_tokens },
      { labels: { kind: "chat_input" }, value: counts.today.chat_input_tokens },
      { labels: { kind: "chat_output" }, value: counts.today.chat_output_tokens },
    ]),
    gauge(
      "devflow_backup_age_seconds",
      "Since the newest backup was made; absent where there is none within 90 days.",
      counts.newestBackupMs === null ? [] : [{ value: seconds(counts.newestBackupMs) }],
    ),
    gauge(
      "devflow_upstream_up",
      "Whether a store or upstream answers, as in /health/ready; those that cannot be asked are absent.",
      Object.entries(ready.checks).flatMap(([name, { status }]) =>
        status === "unknown" ? [] : [{ labels: { name }, value: status === "ok" ? 1 : 0 }],
      ),
    ),
  ];
}

function written({ name, type, help, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
    return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n").concat("\n");
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
