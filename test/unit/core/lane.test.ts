import { describe, expect, it } from "vitest";
import { Lane } from "../../../src/core/lane.ts";

describe("Lane", () => {
  it("does one piece of work after the other, in the order in which they came", async () => {
    const lane = new Lane();
    const told: string[] = [];
    const work = (name: string, turns: number) =>
      lane.run(async () => {
        told.push(`${name} begins`);
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        told.push(`${name} ends`);
        return name;
      });
    expect(await Promise.all([work("long", 9), work("short", 1)])).toEqual(["long", "short"]);
    expect(told).toEqual(["long begins", "long ends", "short begins", "short ends"]);
  });

  it("goes on after work that failed, whose caller is told", async () => {
    const lane = new Lane();
    const failing = lane.run(() => Promise.reject(new Error("no")));
    const next = lane.run(async () => "yes");
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe("yes");
  });
});
