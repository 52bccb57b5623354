/**
 * The text with the value of `key` replaced that stands next behind the line `after`; comments and all else stay.
 * Errors: there is no such line or key.
 */
export function withId(toml: string, { after, key, id }: { after: string; key: string; id: string }): string {
  const begin = toml.indexOf(after);
  const match = begin < 0 ? null : new RegExp(`^${key} = "[^"]*"`, "m").exec(toml.slice(begin));
  if (match === null) throw new Error(`wrangler.toml has no ${key} behind ${after}`);
  const at = begin + match.index;
  return `${toml.slice(0, at)}${key} = "${id}"${toml.slice(at + match[0].length)}`;
}
