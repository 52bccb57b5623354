/**
 * Entries of an upload that become no file (a refused path, a second one of the same name) are told of beside the
 * files, under keys that no file path can have: an empty segment and the entry's number.
 */
export function entryKey(path: string, entry: number): string {
  return `${path}//${entry}`;
}

/** The path that a key of `job_files` stands for. */
export function pathOfEntry(key: string): string {
  return key.replace(/\/\/\d+$/, "");
}
