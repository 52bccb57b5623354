import type { PolicyName } from "../core/policy-names.ts";

export type CheckStatus = "pass" | "warn" | "fail" | "unknown";

export interface CheckItem {
  id: string;
  title: string;
  status: CheckStatus;
  detail: string;
}

/** What a person attests, with a date; each holds for 180 days. */
export const ATTESTATIONS = {
  dependency_updates: "Dependencies are up to date and without known vulnerabilities",
  security_audit: "The deployment was audited",
  access_review: "Who holds keys and accounts was reviewed",
  incident_drill: "The incident plan was rehearsed",
  restore_drill: "A backup was restored into an empty deployment",
  compliance_review: "Obligations (GDPR, SOC 2) were reviewed",
} as const;
export type AttestationName = keyof typeof ATTESTATIONS;

export interface RouteFact {
  route: string;
  access: string;
  limit: string | null;
  /** Unknown query and path fields are refused. */
  strict: boolean;
}

/** Everything that the items are computed from: settings, routes, stored state, and what was just tried. */
export interface ChecklistFacts {
  nowMs: number;
  environment: "development" | "staging" | "production";
  debug: boolean;
  logLevel: string;
  hosts: string[];
  origins: string[];
  /** The scheme and host that this very request came by. */
  requestScheme: string;
  requestHost: string;
  /** Setting → why it is weak, or null. */
  secrets: Record<string, string | null>;
  previousJwtSecret: boolean;
  /** Setting → when its present value was first seen (milliseconds). */
  secretsSince: Record<string, number>;
  quotas: Record<PolicyName, { requests: number; standard: number }>;
  /** A look at a limiter just now. */
  limiterAnswers: boolean;
  /** Paths that should be refused, and were not. */
  escapingPaths: string[];
  routes: RouteFact[];
  alerts: boolean;
  keys: { live: number; withoutExpiry: number; oldestMs: number | null };
  /** Events stored in the last day; null where they cannot be read. */
  recentEvents: number | null;
  limiterFailedAtMs: number | null;
  newestBackupAtMs: number | null;
  attestations: Record<string, { atMs: number; detail: string | null }>;
}

const DAY_MS = 86_400_000;
const ATTESTED_DAYS = 180;
const ROTATION_DAYS = 180;
const BACKUP_HOURS = 26;
/** Routes that are meant to be open. */
const PUBLIC = new Set([
  "GET /health",
  "GET /health/ready",
  "GET /openapi.json",
  "GET /docs",
  "GET /docs/{page}",
  "GET /",
  "GET /robots.txt",
  "GET /assets/{file}",
  // OAuth's own: they take a code, a registered client or a pasted key, and are 404 where OAuth is off.
  "GET /.well-known/oauth-authorization-server",
  "GET /.well-known/oauth-protected-resource",
  "GET /.well-known/oauth-protected-resource/mcp",
  "POST /oauth/register",
  "GET /oauth/authorize",
  "POST /oauth/authorize",
  "POST /oauth/token",
]);

/** The production checklist, each item computed from the facts. */
export function checklist(facts: ChecklistFacts): CheckItem[] {
  return [
    secretsItem(facts),
    environmentItem(facts),
    httpsItem(facts),
    authenticationItem(facts),
    keysItem(facts),
    corsItem(facts),
    rateLimitItem(facts),
    validationItem(facts),
    fileAccessItem(facts),
    loggingItem(facts),
    monitoringItem(facts),
    backupItem(facts),
    rotationItem(facts),
    ...attestedItems(facts),
  ];
}

function item(id: string, title: string, status: CheckStatus, detail: string): CheckItem {
  return { id, title, status, detail };
}

/** What production must have and development may lack. */
function severity({ environment }: ChecklistFacts): CheckStatus {
  return environment === "development" ? "warn" : "fail";
}

function secretsItem(facts: ChecklistFacts): CheckItem {
  const weak = Object.entries(facts.secrets).flatMap(([name, why]) =>
    why === null ? [] : [`${name} ${why}`],
  );
  const title = "Secrets are set and strong";
  return weak.length > 0
    ? item("secrets", title, severity(facts), `${weak.join("; ")}.`)
    : item(
        "secrets",
        title,
        "pass",
        `${Object.keys(facts.secrets).join(", ")} hold 32 random bytes or more.`,
      );
}

function environmentItem(facts: ChecklistFacts): CheckItem {
  const title = "Settings are those of production";
  const wrong = [
    ...(facts.environment === "production" ? [] : [`ENVIRONMENT is ${facts.environment}`]),
    ...(facts.debug ? ["DEBUG is on"] : []),
    ...(facts.logLevel === "debug" ? ["LOG_LEVEL is debug"] : []),
  ];
  if (facts.environment === "production" && wrong.length > 0) {
    return item("environment", title, "fail", `${wrong.join("; ")}.`);
  }
  return item(
    "environment",
    title,
    wrong.length > 0 ? "warn" : "pass",
    `${wrong.join("; ") || "Production, no debugging"}.`,
  );
}

function httpsItem(facts: ChecklistFacts): CheckItem {
  const title = "Only HTTPS, only our hosts";
  const wrong = [
    ...(facts.requestScheme === "https" ? [] : [`this request came by ${facts.requestScheme}`]),
    ...(facts.hosts.length > 0 ? [] : ["PUBLIC_HOSTS is empty, so any host is answered"]),
  ];
  return wrong.length > 0
    ? item("https", title, severity(facts), `${sentence(wrong.join("; "))}`)
    : item("https", title, "pass", `This request came by https to ${facts.requestHost}; others get 421.`);
}

function authenticationItem(facts: ChecklistFacts): CheckItem {
  const open = facts.routes.filter((one) => one.access === "public" && !PUBLIC.has(one.route));
  const title = "Every route asks for a credential";
  if (open.length > 0)
    return item("authentication", title, "fail", `Open: ${open.map((one) => one.route).join(", ")}.`);
  const closed = facts.routes.filter((one) => one.access !== "public").length;
  return item(
    "authentication",
    title,
    "pass",
    `${closed} of ${facts.routes.length} routes; the rest is health, documentation and pages.`,
  );
}

function keysItem({ keys }: ChecklistFacts): CheckItem {
  const title = "API keys expire";
  if (keys.live === 0) return item("api_keys", title, "unknown", "There is no key yet.");
  const detail = `${keys.withoutExpiry} of ${keys.live} live keys have no expiry.`;
  return item("api_keys", title, keys.withoutExpiry > 0 ? "warn" : "pass", detail);
}

function corsItem({ origins, environment }: ChecklistFacts): CheckItem {
  const title = "Browsers may call from listed origins only";
  const plain = origins.filter((origin) => !origin.startsWith("https://"));
  if (plain.length > 0 && environment !== "development") {
    return item("cors", title, "fail", `Not https: ${plain.join(", ")}.`);
  }
  return item(
    "cors",
    title,
    "pass",
    origins.length > 0 ? `Allowed: ${origins.join(", ")}.` : "Only the deployment's own origin.",
  );
}

function rateLimitItem(facts: ChecklistFacts): CheckItem {
  const title = "Every operation is rate limited";
  if (!facts.limiterAnswers) return item("rate_limits", title, "fail", "The limiter does not answer.");
  const unlimited = facts.routes.filter((one) => one.access !== "public" && one.limit === null);
  if (unlimited.length > 0) {
    return item(
      "rate_limits",
      title,
      "warn",
      `Limited by address only: ${unlimited.map((one) => one.route).join(", ")}.`,
    );
  }
  const raised = Object.entries(facts.quotas).filter(([, { requests, standard }]) => requests > standard);
  if (raised.length > 0) {
    const words = raised.map(([name, { requests, standard }]) => `${name} ${requests} (${standard})`);
    return item("rate_limits", title, "warn", `Above the standard: ${words.join(", ")}.`);
  }
  return item(
    "rate_limits",
    title,
    "pass",
    `${Object.keys(facts.quotas).length} policies, none above the standard; the limiter answers.`,
  );
}

function validationItem({ routes }: ChecklistFacts): CheckItem {
  const loose = routes.filter((one) => !one.strict);
  const title = "Every input has a strict schema";
  return loose.length > 0
    ? item("validation", title, "fail", `Unknown fields pass: ${loose.map((one) => one.route).join(", ")}.`)
    : item("validation", title, "pass", `${routes.length} routes refuse unknown fields.`);
}

function fileAccessItem({ escapingPaths }: ChecklistFacts): CheckItem {
  const title = "No path leaves its workspace";
  return escapingPaths.length > 0
    ? item(
        "file_access",
        title,
        "fail",
        `Taken as paths: ${escapingPaths.map((path) => JSON.stringify(path)).join(", ")}.`,
      )
    : item("file_access", title, "pass", "Traversal, absolute, drive and NUL paths were just refused.");
}

function loggingItem({ recentEvents }: ChecklistFacts): CheckItem {
  const title = "Security events are recorded";
  if (recentEvents === null) return item("logging", title, "fail", "They cannot be read.");
  // The use of the root key for a checklist is one itself: after the first there is always one.
  if (recentEvents === 0)
    return item("logging", title, "unknown", "None in the last day; ask again in a minute.");
  return item("logging", title, "pass", `${recentEvents} in the last day.`);
}

function monitoringItem(facts: ChecklistFacts): CheckItem {
  const title = "Somebody is told of alerts";
  if (!facts.alerts) return item("monitoring", title, severity(facts), "ALERT_WEBHOOK_URL is not set.");
  const failed = facts.limiterFailedAtMs;
  if (failed !== null && facts.nowMs - failed < DAY_MS) {
    return item("monitoring", title, "warn", `A limiter failed at ${new Date(failed).toISOString()}.`);
  }
  return item("monitoring", title, "pass", "Alerts go to the webhook.");
}

function backupItem(facts: ChecklistFacts): CheckItem {
  const title = "There is a recent backup";
  if (facts.newestBackupAtMs === null) return item("backups", title, "fail", "None has been made.");
  const hours = Math.floor((facts.nowMs - facts.newestBackupAtMs) / 3_600_000);
  return item("backups", title, hours > BACKUP_HOURS ? "fail" : "pass", `The newest is ${hours} h old.`);
}

function rotationItem(facts: ChecklistFacts): CheckItem {
  const title = "Secrets are rotated";
  const ages = Object.entries(facts.secretsSince).map(([name, since]) => ({
    name,
    days: daysSince(since, facts.nowMs),
  }));
  const old = ages.filter(({ days }) => days > ROTATION_DAYS);
  const words = (list: typeof ages) => list.map(({ name, days }) => `${name} ${days} days`).join(", ");
  if (old.length > 0) return item("rotation", title, "fail", `Unchanged for too long: ${words(old)}.`);
  if (facts.previousJwtSecret) {
    return item(
      "rotation",
      title,
      "warn",
      "JWT_SECRET_PREVIOUS is set: remove it an hour after the rotation.",
    );
  }
  return item("rotation", title, "pass", `${words(ages)}.`);
}

function attestedItems(facts: ChecklistFacts): CheckItem[] {
  return Object.entries(ATTESTATIONS).map(([name, title]) => {
    const attested = facts.attestations[name];
    if (attested === undefined) return item(name, title, "fail", "Never attested: POST /v1/attestations.");
    const days = daysSince(attested.atMs, facts.nowMs);
    const words = `Attested ${days} days ago${attested.detail ? `: ${attested.detail}` : ""}.`;
    return item(name, title, days > ATTESTED_DAYS ? "fail" : "pass", words);
  });
}

function daysSince(thenMs: number, nowMs: number): number {
  return Math.floor((nowMs - thenMs) / DAY_MS);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
