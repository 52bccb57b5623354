import { describe, expect, it } from "vitest";
import { archivedIn, archiveOf, type Completed, nextBase } from "../../../src/backup/references.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-03-31T02:00:00Z");
const GIVEN = { wholeEvery: 7, retentionDays: 30, recipients: ["age1a"], now: NOW };
/** A backup each night, the newest last night, of which the oldest is whole. Newest first. */
function nights(n: number): Completed[] {
  const ids = Array.from({ length: n }, (_, i) => `bak_${i}`);
  return ids
    .map((id, i) => ({
      id,
      base: i === 0 ? null : ids.slice(0, i),
      recipients: ["age1a"],
      createdAt: NOW - (n - i) * DAY,
    }))
    .reverse();
}

describe("what the next backup refers to", () => {
  it("is the last whole one and those after it, until so many have been made", () => {
    expect(nextBase([], GIVEN)).toBeNull();
    expect(nextBase(nights(1), GIVEN)).toEqual(["bak_0"]);
    expect(nextBase(nights(6), GIVEN)).toEqual(["bak_0", "bak_1", "bak_2", "bak_3", "bak_4", "bak_5"]);
    expect(nextBase(nights(7), GIVEN)).toBeNull();
    expect(nextBase(nights(1), { ...GIVEN, wholeEvery: 1 })).toBeNull();
  });

  it("is nothing that would soon be deleted, that is gone, or that other keys open", () => {
    expect(nextBase(nights(4), { ...GIVEN, retentionDays: 8 })).toBeNull();
    expect(nextBase(nights(4), { ...GIVEN, retentionDays: 9 })).toHaveLength(4);
    expect(nextBase(nights(4).slice(0, 3), GIVEN)).toBeNull();
    expect(nextBase(nights(4), { ...GIVEN, recipients: ["age1b"] })).toBeNull();
  });
});

describe("the note of where a blob is archived", () => {
  it("is of that blob alone", () => {
    expect(archiveOf(archivedIn("bak_1", 12, "b"), "b")).toEqual({ backup: "bak_1", part: 12 });
    expect(archiveOf(archivedIn("bak_1", 12, "b"), "other")).toBeNull();
    expect(archiveOf(null, "b")).toBeNull();
  });
});
