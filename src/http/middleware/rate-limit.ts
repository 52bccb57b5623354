import { createMiddleware } from "hono/factory";
import { networkOf } from "../../core/address.ts";
import { DevFlowError, type ErrorCode } from "../../core/errors.ts";
import type { Charge, Decision, LimiterSubject, Watch } from "../../core/limiter.ts";
import type { OperationPolicy } from "../../core/policy-names.ts";
import type { Principal } from "../../core/principal.ts";
import { type GateAnswer, LimiterUnavailable } from "../../limits/gate.ts";
import { chargeOf, type Policy, quotaOf } from "../../limits/policy.ts";
import type { AppContext, AppEnv } from "../context.ts";
import { rateLimitFields, seconds } from "../rate-limit-fields.ts";
import type { Access } from "../route.ts";
import { setHeaders } from "./answer-headers.ts";
import { confirmPrincipal } from "./standing.ts";

/** While limiters fail, only these go on for a minute: reading what is there, at a tenth of the quota. */
const FAIL_OPEN: ReadonlySet<OperationPolicy> = new Set(["search", "poll"]);
const HOUR_SECONDS = 3600;
/** A burst of failed credentials or of scope refusals from one address. */
const BURST: Omit<Watch, "name"> = { threshold: 19, windowSeconds: 300 };
const FAILED_CREDENTIAL: ReadonlySet<ErrorCode> = new Set(["invalid_api_key", "invalid_token"]);

/**
 * Charges every request to its address, whatever it asks for: before anything is looked up or verified, so that
 * a flood costs one call of one object, and soon (the gate remembers refusals) not even that.
 * The same call says whether the address has spent its failed credentials.
 * @param policyOf the policy of the route that the request will reach: limiters that fail hold back all but two.
 */
export function limitAddress(policyOf: (c: AppContext) => OperationPolicy | null) {
  return createMiddleware<AppEnv>(async function limitAddressMiddleware(c, next) {
    const { policies } = c.get("services");
    const charges = [chargeOf("ip", policies.ip, 1)];
    // Looked at, not charged: only a failure costs.
    if (c.req.header("authorization") !== undefined) {
      charges.push(chargeOf("auth_failed", policies.auth_failed, 0));
    }
    const requests: Watch = {
      name: "requests",
      threshold: c.get("config").SUSPICIOUS_REQUESTS,
      windowSeconds: HOUR_SECONDS,
    };
    const failOpen = () => mayPass(policyOf(c));
    const answer = await take(c, addressOf(c), charges, failOpen, [requests], true);
    if (!answer.allowed) throw rateLimited(answer.decisions);
    c.set("failedCredentials", answer.decisions[1]);
    await next();
    const ip = answer.decisions[0];
    if (ip !== undefined && !c.res.headers.has("ratelimit")) setHeaders(c, rateLimitFields([ip]));
  });
}

/**
 * Refuses an address that has spent its failed credentials, before its next one is looked up, and charges each
 * failure before it is answered: of any number of guesses at once, exactly the quota get a 401.
 */
export function limitFailedCredentials() {
  return createMiddleware<AppEnv>(async function limitFailedCredentialsMiddleware(c, next) {
    const spent = c.get("failedCredentials");
    if (spent?.allowed === false) throw rateLimited([spent]);
    await next();
    if (!(c.error instanceof DevFlowError) || !FAILED_CREDENTIAL.has(c.error.code)) return;
    c.get("services").gate.askAgain(addressOf(c));
    const charge = chargeOf("auth_failed", c.get("services").policies.auth_failed, 1);
    const answer = await take(c, addressOf(c), [charge], never, [{ ...BURST, name: "failed_credentials" }]);
    if (answer.allowed) return;
    c.res.headers.delete("www-authenticate");
    throw rateLimited(answer.decisions);
  });
}

/** Charges the request to its policy, and hears in the same call whether its key still stands. */
export function limitOperation(policy: OperationPolicy, access: Access) {
  return createMiddleware<AppEnv>(async function limitOperationMiddleware(c, next) {
    const principal = c.get("principal");
    if (principal === undefined) return next();
    const decisions = await c
      .get("timing")
      .measure("limit", () => chargeOperation(c, policy, access, principal));
    await next();
    setHeaders(c, rateLimitFields(decisions));
  });
}

/**
 * Counts one request of the policy against the caller. Errors: `rate_limited`; 401 where the key was revoked;
 * `upstream_unavailable` where limiters fail and the policy does not pass without them.
 */
export async function chargeOperation(
  c: AppContext,
  name: OperationPolicy,
  access: Access,
  principal: Principal,
): Promise<Decision[]> {
  const { policies, limiters } = c.get("services");
  const failOpen = () => mayPass(name);
  const subject: LimiterSubject = `key:${principal.bucketId}`;
  const charge = chargeOf(name, quotaOf(policies, name, principal.limits), 1);
  const answer = await take(c, subject, [charge], failOpen);
  const undo = async () => {
    if (answer.allowed && answer.source === "limiter") await limiters(subject).giveBack([charge]);
  };
  try {
    const inForce = await confirmPrincipal(c, access, answer);
    const same = inForce === null || inForce.limits === principal.limits;
    if (!same && !sameQuota(charge, chargeOf(name, quotaOf(policies, name, inForce.limits), 1))) {
      await undo();
      return await chargeOperation(c, name, access, inForce);
    }
  } catch (refused) {
    await undo();
    throw refused;
  }
  if (!answer.allowed) throw rateLimited(answer.decisions);
  if (!countsAddress(policies[name])) return answer.decisions;
  // After the key, not beside it: of many at once, exactly the quota must pass both.
  const address = await take(c, addressOf(c), [chargeOf(name, policies[name], 1)], failOpen);
  if (!address.allowed) {
    await undo();
    throw rateLimited(address.decisions);
  }
  return [tighter(answer.decisions[0], address.decisions[0])].filter((one) => one !== undefined);
}

/** Counts a refusal for its scope; enough of them are a probe. Off the request's path. */
export async function watchScopes(c: AppContext): Promise<void> {
  const { limiters } = c.get("services");
  const { crossed } = await limiters(addressOf(c)).take([], [{ ...BURST, name: "scope_probing" }]);
  reportCrossed(c, crossed, [{ ...BURST, name: "scope_probing" }]);
}

async function take(
  c: AppContext,
  subject: LimiterSubject,
  charges: Charge[],
  failOpen: () => boolean,
  watches: Watch[] = [],
  ahead = false,
): Promise<GateAnswer> {
  const services = c.get("services");
  const { gate, limiters } = services;
  try {
    const answer = await gate.take(limiters, subject, charges, { failOpen, watches, ahead });
    if (answer.source === "fallback" && gate.reportDue()) {
      services.events.record({ type: "limiter_unavailable", detail: { mode: "open" } });
    }
    reportCrossed(c, answer.crossed, watches);
    return answer;
  } catch (cause) {
    if (!(cause instanceof LimiterUnavailable)) throw cause;
    if (gate.reportDue()) services.events.record({ type: "limiter_unavailable", detail: { mode: "closed" } });
    throw new DevFlowError("upstream_unavailable", "The rate limiter does not answer; try again shortly.", {
      cause,
      headers: { "retry-after": "5" },
    });
  }
}

function reportCrossed(c: AppContext, crossed: { name: string; count: number }[], watches: Watch[]): void {
  for (const { name, count } of crossed) {
    const watch = watches.find((one) => one.name === name);
    c.get("services").events.record({
      type: "suspicious_activity",
      ip: c.get("ip"),
      requestId: c.get("requestId"),
      detail: { reason: name, requests: count, window_seconds: watch?.windowSeconds ?? 0 },
    });
  }
}

/** 429 with the fields of the policy that refused, and how long to wait. */
function rateLimited(decisions: readonly Decision[]): DevFlowError {
  const refused = decisions.filter((decision) => !decision.allowed);
  const waitMs = Math.max(1, ...refused.map((decision) => decision.resetMs));
  const names = refused.map(
    ({ policy, requests, windowSeconds }) => `${policy}: ${requests} in ${windowSeconds} s`,
  );
  return new DevFlowError("rate_limited", `Too many requests (${names.join(", ")}).`, {
    headers: { ...rateLimitFields(refused), "retry-after": String(seconds(waitMs)) },
    members: { policy: refused[0]?.policy ?? null, retry_after_seconds: seconds(waitMs) },
  });
}

/** Whether requests of the policy pass for a while when the limiter is down. */
function mayPass(policy: OperationPolicy | null): boolean {
  return policy !== null && FAIL_OPEN.has(policy);
}

function never(): boolean {
  return false;
}

function addressOf(c: AppContext): LimiterSubject {
  return `ip:${networkOf(c.get("ip"))}`;
}

function countsAddress({ subject }: Policy): boolean {
  return subject === "ip+key";
}

function sameQuota(a: Charge, b: Charge): boolean {
  return a.requests === b.requests && a.windowSeconds === b.windowSeconds;
}

function tighter(a: Decision | undefined, b: Decision | undefined): Decision | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.remaining < a.remaining ? b : a;
}
