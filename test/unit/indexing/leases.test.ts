import { describe, expect, it } from "vitest";
import type { LeaseRequest } from "../../../src/core/ports.ts";
import { Leases } from "../../../src/indexing/leases.ts";

const request = (over: Partial<LeaseRequest> = {}): LeaseRequest => ({
  pool: "vectors",
  capacity: 2,
  reserved: 0,
  small: false,
  waitMs: 0,
  ttlMs: 1000,
  ...over,
});

describe("Leases", () => {
  it("hands out as many as the pool has, and again what is given back", async () => {
    const leases = new Leases(() => 0);
    const first = await leases.acquire(request());
    expect(await leases.acquire(request())).not.toBeNull();
    expect(await leases.acquire(request())).toBeNull();
    expect(await leases.acquire(request({ pool: "messages" }))).not.toBeNull();
    leases.release(first ?? "");
    leases.release(first ?? "");
    expect(await leases.acquire(request())).not.toBeNull();
    expect(await leases.acquire(request())).toBeNull();
  });

  it("keeps some for small jobs, and always one for the others", async () => {
    const leases = new Leases(() => 0);
    const pool = { capacity: 3, reserved: 2 };
    expect(await leases.acquire(request(pool))).not.toBeNull();
    expect(await leases.acquire(request(pool))).toBeNull();
    expect(await leases.acquire(request({ ...pool, small: true }))).not.toBeNull();
    expect(await leases.acquire(request({ ...pool, small: true }))).not.toBeNull();
    expect(await leases.acquire(request({ ...pool, small: true }))).toBeNull();
    expect(await new Leases(() => 0).acquire(request({ capacity: 1, reserved: 2 }))).not.toBeNull();
  });

  it("lets small jobs go before the others, each kind in the order in which it came", async () => {
    const leases = new Leases(() => 0);
    const one = { capacity: 1, waitMs: 10_000 };
    const held = await leases.acquire(request(one));
    const order: string[] = [];
    const wait = async (name: string, small: boolean) => {
      const lease = await leases.acquire(request({ ...one, small }));
      order.push(name);
      leases.release(lease ?? "");
    };
    const all = [
      wait("large 1", false),
      wait("small 1", true),
      wait("large 2", false),
      wait("small 2", true),
    ];
    leases.release(held ?? "");
    await Promise.all(all);
    expect(order).toEqual(["small 1", "small 2", "large 1", "large 2"]);
  });

  it("ends the wait with nothing, and a lease that is never given back by itself", async () => {
    let now = 0;
    const leases = new Leases(() => now);
    await leases.acquire(request({ capacity: 1 }));
    expect(await leases.acquire(request({ capacity: 1, waitMs: 5 }))).toBeNull();
    now = 1000;
    expect(await leases.acquire(request({ capacity: 1 }))).not.toBeNull();
  });
});
