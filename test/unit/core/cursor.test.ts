import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cursors } from "../../../src/core/cursor.ts";
import { Secret } from "../../../src/core/secret.ts";

const cursors = new Cursors(new Secret("a secret of the deployment"));
const scope = ["ws_a", "jobs"];

describe("Cursors", () => {
  it("opens what it signed, for the same list", async () => {
    const positions = fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(positions, async (position) => {
        expect(await cursors.open(scope, await cursors.sign(scope, position))).toEqual(position);
      }),
    );
  });

  it("refuses a cursor of another workspace, query or deployment", async () => {
    const cursor = await cursors.sign(scope, ["job_1"]);
    const refused = { code: "invalid_cursor", status: 400 };
    await expect(cursors.open(["ws_b", "jobs"], cursor)).rejects.toMatchObject(refused);
    await expect(cursors.open(["ws_a", "jobs", ""], cursor)).rejects.toMatchObject(refused);
    const other = new Cursors(new Secret("another secret"));
    await expect(other.open(scope, cursor)).rejects.toMatchObject(refused);
  });

  it("refuses anything that was altered or made up", async () => {
    const cursor = await cursors.sign(scope, ["job_1"]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(cursor.length - 1),
        fc.constantFrom("A", "b", ".", "=", "é"),
        async (at, char) => {
          fc.pre(cursor[at] !== char);
          const altered = cursor.slice(0, at) + char + cursor.slice(at + 1);
          await expect(cursors.open(scope, altered)).rejects.toMatchObject({ code: "invalid_cursor" });
        },
      ),
    );
    for (const made of ["", ".", "a.b", "W10.", `${cursor}.x`, "\u0000"]) {
      await expect(cursors.open(scope, made)).rejects.toMatchObject({ code: "invalid_cursor" });
    }
  });
});
