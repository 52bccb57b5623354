import { useEffect, useState } from "preact/hooks";

export type Loaded<T> =
  | { state: "loading" }
  | { state: "done"; value: T }
  | { state: "failed"; error: unknown };

/** Loads when something of `inputs` changes; an answer that is overtaken by a newer question is dropped. */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]) {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    setLoaded({ state: "loading" });
    load(controller.signal).then(
      (value) => !controller.signal.aborted && setLoaded({ state: "done", value }),
      (error) => !controller.signal.aborted && setLoaded({ state: "failed", error }),
    );
    return () => controller.abort();
  }, [...inputs, attempt]);
  return { loaded, reload: () => setAttempt((count) => count + 1) };
}
