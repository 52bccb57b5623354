/** As V8's profiler writes it: a sample each time, and the microseconds since the one before. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string } }[];
  samples: number[];
  timeDeltas: number[];
}

/** Milliseconds in which something was computed. Errors: a profile without a sample tells nothing. */
export function activeMs({ nodes, samples, timeDeltas }: CpuProfile): number {
  if (samples.length === 0) throw new Error("the profile of the start-up holds no sample");
  const idle = new Set(
    nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id),
  );
  const microseconds = samples.reduce((sum, node, i) => sum + (idle.has(node) ? 0 : (timeDeltas[i] ?? 0)), 0);
  return microseconds / 1000;
}
