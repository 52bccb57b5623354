/**
 * Files whose content is stored already, at a path that is not there any more: each takes one of those, of the same
 * name where there is one. @returns new path → where the file stands.
 */
export function pairRenames<T extends { path: string; sha256: string; blob: string | null; status: string }>(
  wanted: readonly { path: string; sha256: string }[],
  gone: readonly T[],
): Map<string, T> {
  const pairs = new Map<string, T>();
  const needed = new Set(wanted.map(({ sha256 }) => sha256));
  const usable = gone.filter(
    ({ blob, status, sha256 }) => blob !== null && status !== "failed" && needed.has(sha256),
  );
  const taken = new Set<T>();
  for (const keyOf of [sameName, sameContent]) {
    const waiting = new Map<string, T[]>();
    // Taken from the end, so that the first by path goes first.
    for (const file of usable.toReversed()) {
      if (taken.has(file)) continue;
      const files = waiting.get(keyOf(file));
      if (files === undefined) waiting.set(keyOf(file), [file]);
      else files.push(file);
    }
    for (const file of wanted) {
      const from = pairs.has(file.path) ? undefined : waiting.get(keyOf(file))?.pop();
      if (from === undefined) continue;
      pairs.set(file.path, from);
      taken.add(from);
    }
  }
  return pairs;
}

/**
 * Files whose content is stored already, at a path that stays or that a commit only then takes away.
 * @returns new path → where the content stands.
 */
export function pairCopies<T extends { path: string; sha256: string; blob: string | null; status: string }>(
  wanted: readonly { path: string; sha256: string }[],
  stored: readonly T[],
): Map<string, T> {
  const usable = stored.filter(({ blob, status }) => blob !== null && status !== "failed");
  // Of several the first: a Map keeps the last entry of a key.
  const byContent = new Map(usable.toReversed().map((file) => [file.sha256, file]));
  return new Map(
    wanted.flatMap(({ path, sha256 }) => {
      const from = byContent.get(sha256);
      return from === undefined ? [] : [[path, from]];
    }),
  );
}

type Keyed = { path: string; sha256: string };
const sameName = ({ path, sha256 }: Keyed) => `${sha256} ${path.slice(path.lastIndexOf("/") + 1)}`;
const sameContent = ({ sha256 }: Keyed) => sha256;
