import { Webhook } from "standardwebhooks";
import type { Secret } from "../core/secret.ts";
import type { SecurityEvent } from "../core/security-event.ts";

const TIMEOUT_MS = 5000;
/** Pauses before the second, third and fourth attempt; each is drawn between half and all of it. */
const PAUSES_MS = [500, 2000, 6000] as const;

export interface AlertDeps {
  url: string;
  /** `whsec_` + base64 of the shared secret. */
  secret: Secret;
  fetch(url: string, init: RequestInit): Promise<Response>;
  now(): number;
  sleep(ms: number): Promise<void>;
  /** 0 ≤ x < 1 */
  random(): number;
}

/**
 * Delivers one event to the webhook in the Standard Webhooks format: `webhook-id` (the event's id, so that a
 * receiver can tell a repetition), `webhook-timestamp`, `webhook-signature`. Four attempts.
 * Errors: an Error that names the last status when none succeeded; the receiver's words are not in it.
 */
export async function sendAlert(deps: AlertDeps, event: SecurityEvent): Promise<void> {
  const body = JSON.stringify({
    type: `security.${event.type}`,
    timestamp: new Date(event.at).toISOString(),
    data: {
      id: event.id,
      type: event.type,
      at: new Date(event.at).toISOString(),
      count: event.count,
      workspace_id: event.workspaceId,
      ip: event.ip,
      route: event.route,
      key_id: event.keyId,
      request_id: event.requestId,
      detail: event.detail,
    },
  });
  const signer = new Webhook(deps.secret.reveal());
  let outcome = "";
  for (const pauseMs of [0, ...PAUSES_MS]) {
    if (pauseMs > 0) await deps.sleep(pauseMs * (0.5 + deps.random() / 2));
    outcome = await attempt(deps, signer, event.id, body);
    if (outcome === "delivered") return;
    if (outcome === "410") break; // the receiver asks for no more
  }
  throw new Error(`the alert webhook did not take the event: ${outcome}`);
}

async function attempt(deps: AlertDeps, signer: Webhook, id: string, body: string): Promise<string> {
  // The signature's time is in seconds, and receivers refuse old ones: each attempt signs anew.
  const at = new Date(Math.floor(deps.now() / 1000) * 1000);
  try {
    const response = await deps.fetch(deps.url, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(at.getTime() / 1000),
        "webhook-signature": signer.sign(id, at, body),
      },
      body,
    });
    await response.body?.cancel();
    return response.ok ? "delivered" : String(response.status);
  } catch (error) {
    return error instanceof Error ? error.name : "failed";
  }
}
