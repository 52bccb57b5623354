import { describe, expect, it } from "vitest";
import { isDue, toRetire } from "../../../src/backup/schedule.ts";

const at = (text: string) => Date.parse(text);
const DAY = 86_400_000;

describe("the night's backup", () => {
  it.each([
    ["succeeded", "2026-03-01T02:05:00Z", "2026-03-02T01:59:00Z", false],
    ["succeeded", "2026-03-01T02:05:00Z", "2026-03-02T02:00:00Z", true],
    ["succeeded", "2026-03-02T02:00:00Z", "2026-03-02T23:59:00Z", false],
    ["running", "2026-03-01T02:05:00Z", "2026-03-05T02:00:00Z", false],
    ["failed", "2026-03-02T02:05:00Z", "2026-03-02T03:00:00Z", false],
    ["failed", "2026-03-02T02:05:00Z", "2026-03-02T03:05:00Z", true],
  ])("after one that %s at %s is due at %s: %s", (status, createdAt, now, due) => {
    expect(isDue({ status, createdAt: at(createdAt) }, at(now))).toBe(due);
  });
});

describe("retention", () => {
  const now = at("2026-03-31T12:00:00Z");
  const row = (id: string, status: string, days: number, refersTo: string[] = []) => ({
    id,
    status,
    createdAt: now - days * DAY,
    base: refersTo.length > 0 ? refersTo : null,
    counts: { referred: Object.fromEntries(refersTo.map((one) => [one, 1])) },
  });

  it("keeps the newest good ones that are young enough, what runs, and failures for a day", () => {
    const rows = [
      row("running", "running", 0),
      row("fresh failure", "failed", 0.5),
      row("1", "succeeded", 1),
      row("old failure", "failed", 1.5),
      row("2", "succeeded", 2),
      row("3", "succeeded", 3),
      row("ancient", "succeeded", 31),
    ];
    expect(toRetire(rows, { days: 30, count: 2 }, now)).toEqual(["old failure", "3", "ancient"]);
    expect(toRetire(rows, { days: 30, count: 100 }, now)).toEqual(["old failure", "ancient"]);
    expect(toRetire(rows, { days: 1, count: 100 }, now)).toEqual(["old failure", "2", "3", "ancient"]);
  });

  it("keeps what a kept one or the running one refers to, and no backup whose base is gone by its age", () => {
    const rows = [
      row("5", "succeeded", 1, ["1", "3"]),
      row("4", "succeeded", 2, ["1"]),
      row("3", "succeeded", 3, ["1"]),
      row("2", "succeeded", 4, ["1"]),
      row("1", "succeeded", 5),
      row("0", "succeeded", 6),
    ];
    expect(toRetire(rows, { days: 30, count: 1 }, now)).toEqual(["4", "2", "0"]);
    const running = row("6", "running", 0, ["1", "2"]);
    expect(toRetire([running, ...rows], { days: 30, count: 1 }, now)).toEqual(["4", "0"]);
    // What was deleted is gone after the days, whatever refers to it.
    expect(toRetire(rows, { days: 4, count: 100 }, now)).toEqual(["5", "4", "3", "2", "1", "0"]);
  });
});
