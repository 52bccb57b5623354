import { describe, expect, it } from "vitest";
import { activeMs } from "../../../scripts/ci/startup.ts";

const node = (id: number, functionName: string) => ({ id, callFrame: { functionName } });

describe("the time that a start-up computes", () => {
  it("is that of all samples but the idle ones", () => {
    const nodes = [node(1, "(root)"), node(2, "(idle)"), node(3, "parse"), node(4, "(garbage collector)")];
    expect(activeMs({ nodes, samples: [3, 2, 4, 3], timeDeltas: [100_000, 900_000, 20_000, 30_500] })).toBe(
      150.5,
    );
  });

  it("is not nothing where nothing was measured", () => {
    expect(() => activeMs({ nodes: [], samples: [], timeDeltas: [] })).toThrow("no sample");
  });
});
