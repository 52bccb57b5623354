import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { type AlertDeps, sendAlert } from "../../../src/audit/alert.ts";
import { Secret } from "../../../src/core/secret.ts";
import { newSecurityEvent } from "../../../src/core/security-event.ts";

const SECRET = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const event = newSecurityEvent(
  { type: "suspicious_activity", ip: "203.0.113.7", detail: { requests: 1001 } },
  1000,
);

/** A receiver that answers with the statuses in turn, the last one for ever; 0 is a connection that breaks. */
function receiver(...statuses: number[]) {
  const calls: { url: string; init: RequestInit }[] = [];
  const pauses: number[] = [];
  const deps: AlertDeps = {
    url: "https://hooks.example.com/alerts",
    secret: new Secret(SECRET),
    fetch: async (url, init) => {
      calls.push({ url, init });
      const status = statuses[Math.min(calls.length, statuses.length) - 1] ?? 0;
      if (status === 0) throw new TypeError("reset");
      return new Response(status === 204 ? null : "the receiver's own words", { status });
    },
    now: Date.now,
    sleep: async (ms) => void pauses.push(ms),
    random: () => 0.5,
  };
  return { deps, calls, pauses };
}

describe("sendAlert", () => {
  it("signs so that a receiver's own library verifies it", async () => {
    const { deps, calls } = receiver(200);
    await sendAlert(deps, event);
    const [{ url, init } = expect.fail("no call")] = calls;
    expect(url).toBe("https://hooks.example.com/alerts");
    expect(init).toMatchObject({ method: "POST", redirect: "manual" });
    const body = String(init.body);
    const verified = new Webhook(SECRET).verify(body, init.headers as Record<string, string>);
    expect(verified).toMatchObject({
      type: "security.suspicious_activity",
      data: { id: event.id, ip: "203.0.113.7", detail: { requests: 1001 } },
    });
    expect(() => new Webhook(SECRET).verify(`${body} `, init.headers as Record<string, string>)).toThrow();
  });

  it("is taken by a receiver of both secrets throughout a rotation, and by one of the new alone after it", async () => {
    const fresh = `whsec_${Buffer.from("fedcba9876543210fedcba9876543210").toString("base64")}`;
    /** Whether a receiver that knows the secrets takes what is signed with the one. */
    const taken = async (signedWith: string, known: string[]) => {
      const { deps, calls } = receiver(200);
      await sendAlert({ ...deps, secret: new Secret(signedWith) }, event);
      const { body, headers } = calls[0]?.init ?? {};
      return known.some((one) => {
        try {
          new Webhook(one).verify(String(body), headers as Record<string, string>);
          return true;
        } catch {
          return false;
        }
      });
    };
    // As docs/runbook.md orders it: the receiver first, the Worker second, the old secret away last.
    expect(await taken(SECRET, [SECRET])).toBe(true);
    expect(await taken(SECRET, [SECRET, fresh])).toBe(true);
    expect(await taken(fresh, [SECRET, fresh])).toBe(true);
    expect(await taken(fresh, [fresh])).toBe(true);
    expect([await taken(fresh, [SECRET]), await taken(SECRET, [fresh])]).toEqual([false, false]);
  });

  it("tries four times with pauses that vary, under one id", async () => {
    const { deps, calls, pauses } = receiver(500, 0, 302, 204);
    await sendAlert(deps, event);
    expect(calls).toHaveLength(4);
    expect(pauses).toEqual([375, 1500, 4500]);
    expect(new Set(calls.map(({ init }) => new Headers(init.headers).get("webhook-id")))).toEqual(
      new Set([event.id]),
    );
  });

  it("gives up with the status, and without the receiver's words or the secret", async () => {
    const { deps } = receiver(500);
    await expect(sendAlert(deps, event)).rejects.toThrow(/^the alert webhook did not take the event: 500$/);
  });

  it("stops at once where the receiver is gone for good", async () => {
    const { deps, calls } = receiver(410);
    await expect(sendAlert(deps, event)).rejects.toThrow("410");
    expect(calls).toHaveLength(1);
  });
});
